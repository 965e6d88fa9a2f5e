// The tree of one history: its machines on one virtual clock, the root's document store, publishers, and a list of what happened.
import { mkdtempSync, existsSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeDatabase } from "#agent/store/node-database.ts";
import { decodeBatch } from "#shared/link/frames.ts";
import type { Seeded } from "../../scripts/torture/seeded.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { createMemoryDocumentStore } from "../fakes/memory-document-store.ts";
import { silentLogger } from "../fakes/silent-logger.ts";
import { FaultyDocuments } from "./faulty-documents.ts";
import type { MemoryBroker } from "../fakes/memory-broker.ts";
import { Machine, type Death } from "./machine.ts";
import type { Host, NetworkCounts } from "./network.ts";
import { Overtaking } from "./overtaking.ts";
import { TakenOnce } from "./taken-once.ts";
import { Numbered } from "./numbered.ts";
import { drawTree, rootName, type NodePlan, type StreamPlan, type TreePlan } from "./plan.ts";
import { nameMessage, Publishers } from "./publishers.ts";
import { Traffic, type Place } from "./traffic.ts";

/** Memory that looks like a disk, where there is one: what is tested is which bytes are there, not how long they last. */
const memoryFolder = "/dev/shm";

/** A stop gives up after this long, as the process does. */
const stopMs = 12_000;
const eventsKept = 40;

export class SimulatedTree implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly log = silentLogger();
  readonly store = new FaultyDocuments(createMemoryDocumentStore());
  readonly plan: TreePlan;
  readonly random: Seeded;
  /** The nodes of the plan, then copies of some of them. */
  readonly machines: Machine[];
  readonly publishers: Publishers;
  /** Calls and events. */
  readonly traffic: Traffic;
  readonly numbered = new Numbered(nameMessage);
  readonly overtaking: Overtaking;
  readonly takenOnce = new TakenOnce(nameMessage);
  readonly network: NetworkCounts = { frames: 0, lost: 0, late: 0, repeated: 0 };
  /** Messages that were on a disk when an older copy took its place: nobody else need have them. */
  readonly forgiven = new Set<string>();
  /** The numbers of those, and of gaps. */
  readonly vanished = new Set<string>();
  /** Numbers of messages whose stored bytes were damaged somewhere. */
  readonly rotten = new Set<string>();
  /** Own numbers that two disks have had and handed on, by origin and epoch: one of them may have given its own anew for that. */
  readonly shared = new Set<string>();
  /** The last things that happened, oldest first. */
  readonly events: string[] = [];
  readonly #folder: string;
  readonly #restarts: Seeded;
  readonly #wrap: (database: NodeDatabase, node: string) => NodeDatabase;
  #agenda: { readonly atMs: number; readonly act: () => void | Promise<void> }[] = [];

  /** `wrap`: stands between the nodes and their disks. */
  constructor(random: Seeded, wrap: (database: NodeDatabase, node: string) => NodeDatabase = (database) => database) {
    this.random = random;
    this.#restarts = random.fork("restarts");
    this.#folder = mkdtempSync(join(existsSync(memoryFolder) ? memoryFolder : tmpdir(), "fogbank-simulation-"));
    this.plan = drawTree(random.fork("tree"));
    this.overtaking = new Overtaking(
      this.plan.streams.filter(({ priority }) => priority === 0).map(({ name }) => name),
    );
    this.publishers = new Publishers(random.fork("payloads"));
    this.traffic = new Traffic(random.fork("traffic"), this.clock);
    this.#wrap = wrap;
    this.machines = this.plan.nodes.map((node) => this.#build(node, node.name));
  }

  /** Counts the frames that leave before alarms. */
  watchFrames(): void {
    for (const machine of this.machines) this.#watch(machine);
  }

  /** Another machine with a copy of the disk of `machine`, and its name; it has not started. */
  copy(machine: Machine): Machine {
    const copy = this.#build(machine.plan, `${machine.id}-copy`);
    copy.parent = machine.parent;
    copy.link.hidesSessions = machine.link.hidesSessions;
    copy.disk.restore(machine.disk.snapshot(), "new files");
    copy.unoffered = new Set(machine.unoffered);
    this.share(machine.name, machine.unoffered);
    this.machines.push(copy);
    this.#watch(copy);
    return copy;
  }

  /** Those epochs of `origin` are on two disks. */
  share(origin: string, epochs: ReadonlySet<number>): void {
    for (const epoch of epochs) this.shared.add(`${origin} ${epoch}`);
  }

  #watch({ id, name, link }: Machine): void {
    link.onBatch = (payload) => {
      const decoded = decodeBatch(payload, name);
      if ("malformed" in decoded) return;
      this.overtaking.sent(id, name, decoded.frame);
    };
  }

  #build(node: NodePlan, id: string): Machine {
    const { clock, random, log, network: counts, plan } = this;
    return new Machine(
      {
        clock,
        random,
        log,
        documents: this.store.documents,
        counts,
        streams: plan.streams,
        machine: (name) => this.machines.find((machine) => machine.id === name),
        follow: (origin) => {
          const followers = [this.numbered.follow(origin), this.overtaking.follow(id), this.takenOnce.follow(id)];
          return (...commit) => followers.forEach((follow) => follow(...commit));
        },
        wrap: (database) => this.#wrap(database, node.name),
        parted: (host, how) => {
          for (const { link } of this.machines) link.parted(host, how === "process");
        },
        attend: (machine, life) => this.traffic.attend(placeOf(machine, life)),
        crashed: (machine, point) => {
          this.note(`${machine.id} dies in a commit, ${point}`);
          this.later(this.#restarts.between(0, 8_000), () => this.start(machine));
        },
      },
      node,
      join(this.#folder, id),
      id,
    );
  }

  get root(): Machine {
    return this.machine(rootName);
  }

  /** How many machines have that name. */
  copiesOf(name: string): number {
    return this.machines.filter((machine) => machine.name === name).length;
  }

  parentOf({ parent }: Machine): Machine | undefined {
    return parent === undefined ? undefined : this.machine(parent);
  }

  machine(name: string): Machine {
    const found = this.machines.find(({ id }) => id === name);
    if (found === undefined) throw new Error(`there is no ${name}`);
    return found;
  }

  /** Those that hang below `machine`, directly or not, and itself. */
  subtreeOf(machine: Machine): ReadonlySet<Machine> {
    const inside = new Set([machine]);
    for (let size = 0; size < inside.size;) {
      size = inside.size;
      for (const other of this.machines) {
        if (other.parent !== undefined && inside.has(this.machine(other.parent))) inside.add(other);
      }
    }
    return inside;
  }

  note(event: string): void {
    this.events.push(`${(this.clock.monotonic() / 1000).toFixed(3).padStart(9)} s  ${event}`);
    if (this.events.length > eventsKept) this.events.shift();
  }

  /** Messages into the broker of a node that runs. */
  publish({ id, life, isReserved }: Machine, stream: StreamPlan, count: number): void {
    if (life === undefined || isReserved) return;
    const place = { node: id, broker: life.broker, isAlive: () => life.isAlive };
    this.publishers.publish(place, stream, count);
    this.note(`${id}: ${count} published on ${stream.name}`);
  }

  /** What programs at a node that runs see of it. */
  placeAt(machine: Machine): Place | undefined {
    return machine.life && placeOf(machine, machine.life);
  }

  /** Does `act` when so much time has passed. */
  later(ms: number, act: () => void | Promise<void>): void {
    this.#agenda.push({ atMs: this.clock.monotonic() + ms, act });
  }

  /** Nothing of what was to be done later will be. */
  clearAgenda(): void {
    this.#agenda = [];
  }

  async advance(ms: number): Promise<void> {
    const endMs = this.clock.monotonic() + ms;
    for (;;) {
      const due = this.#agenda.filter(({ atMs }) => atMs <= endMs).toSorted((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#agenda = this.#agenda.filter((entry) => entry !== due);
      await this.clock.advance(Math.max(0, due.atMs - this.clock.monotonic()));
      await due.act();
    }
    await this.clock.advance(endMs - this.clock.monotonic());
  }

  async start(machine: Machine): Promise<void> {
    if (machine.isRunning || machine.isResting) return;
    const problem = await machine.start();
    this.note(
      `${machine.id} starts below ${machine.parent ?? "nothing"}${problem === undefined ? "" : `: ${problem}`}`,
    );
  }

  die(machine: Machine, how: Death): void {
    if (!machine.isRunning) return;
    this.note(`${machine.id} dies: ${how}`);
    machine.die(how);
  }

  /** Stops it as at SIGTERM; what takes too long ends it. */
  async stop(machine: Machine): Promise<void> {
    this.note(`${machine.id} stops`);
    let hasStopped = false;
    void machine.stop().finally(() => (hasStopped = true));
    for (let passedMs = 0; passedMs < stopMs && !hasStopped && machine.isRunning; passedMs += 100)
      await this.advance(100);
    machine.die("process");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.clearAgenda();
    for (const machine of this.machines) machine.die("process");
    await this.clock.advance(0);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function placeOf(
  { id, plan: { name, level }, generation }: Machine,
  life: Host & { readonly broker: MemoryBroker },
): Place {
  return { id, name, level, generation, broker: life.broker, isAlive: () => life.isAlive };
}
