// One machine of the simulated tree: a disk, a clock that may be wrong, a link upward, and the node that runs on it from start to
// death. The node is the real one; what dies is cut off from everything at once, whatever it was doing.
import { startNode, type RunningNode } from "#agent/node.ts";
import { openNodeStoreInThread, type NodeStore } from "#agent/store/node-store.ts";
import type { WriteOutcome, WriteRequest } from "#agent/store/group-commit.ts";
import type { NodeDatabase } from "#agent/store/node-database.ts";
import type { NodeReads } from "#agent/store/node-operations.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { FogbankError } from "#shared/errors.ts";
import type { LedgerRow } from "#shared/journal/ledger.ts";
import type { Fingerprint } from "#shared/journal/fingerprint.ts";
import { decodeSegment } from "#shared/journal/segment.ts";
import type { StreamClass, StreamState } from "#shared/journal/stream.ts";
import type { DocumentStore } from "#shared/system/document-store.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { Seeded } from "../../scripts/torture/seeded.ts";
import type { FakeClock } from "../fakes/fake-clock.ts";
import { MemoryBroker } from "../fakes/memory-broker.ts";
import { Disk, type CrashPoint, type Snapshot } from "./disk.ts";
import { Link, type Host, type NetworkCounts } from "./network.ts";
import { NodeClock } from "./node-clock.ts";
import { numberKey, type CommitFollower } from "./numbered.ts";
import { nameMessage } from "./publishers.ts";
import { configOf, type NodePlan, type StreamPlan } from "./plan.ts";

/** What a machine needs of its surroundings. */
export interface MachineDeps {
  readonly clock: FakeClock;
  readonly random: Seeded;
  readonly log: Logger;
  readonly documents: DocumentStore;
  readonly counts: NetworkCounts;
  readonly streams: readonly StreamPlan[];
  /** The machine with that name, if there is one. */
  machine(name: string): Machine | undefined;
  /** Follows the commits of one life of a node. */
  follow(origin: string): CommitFollower;
  /** Stands between a node and its disk. */
  wrap(database: NodeDatabase): NodeDatabase;
  /** That end of every connection is gone. */
  parted(host: Host, how: Death): void;
  /** A node has a broker, and nothing else yet. */
  attend(machine: Machine, life: Host & { readonly broker: MemoryBroker }): void;
  /** A planned crash has come. */
  crashed(machine: Machine, point: CrashPoint): void;
}

/** How a node ends without a goodbye. */
export type Death =
  /** Its process: the system resets its connections. */
  | "process"
  /** Its power: nobody is told. */
  | "power";

/** A node from its start to its death. */
class Life implements Host {
  readonly name: string;
  readonly clock: NodeClock;
  broker: MemoryBroker | undefined;
  store: NodeStore | undefined;
  node: RunningNode | undefined;
  isAlive = true;

  constructor(name: string, clock: NodeClock) {
    this.name = name;
    this.clock = clock;
  }
}

/** A number that is stored on a disk, with its message; a gap has none. */
export interface HeldNumber {
  readonly key: string;
  readonly message: string | undefined;
  readonly origin: string;
  readonly class: StreamClass;
  /** Row of the segment. */
  readonly id: number;
}

export interface Backup {
  readonly snapshot: Snapshot;
  readonly held: readonly HeldNumber[];
  readonly ledger: readonly LedgerRow[];
  /** How often the machine had moved, and which of its disks it is a copy of. */
  readonly moves: number;
  readonly generation: number;
  /** Its numbers may be another's, as those of the machine at that moment: still only its parent can tell. */
  readonly isUnaware: boolean;
  /** How many machines had its name. */
  readonly copies: number;
  /** See Machine. */
  readonly unoffered: ReadonlySet<number>;
  /** Of the parent's disk. */
  readonly parentGeneration: number | undefined;
}

export class Machine {
  readonly plan: NodePlan;
  readonly disk: Disk;
  readonly link: Link;
  /** Milliseconds by which its wall clock is wrong. */
  clockErrorMs = 0;
  /** Tells copies of one node apart. */
  readonly id: string;
  /** Raised when an older copy is put in the place of its disk. */
  generation = 1;
  /** Off duty: two nodes of one name take turns. */
  isResting = false;
  backup: Backup | undefined;
  /** An older copy of its disk has come back, nothing that the system tells shows it, and it has not met its parent since. */
  isUnaware = false;
  /** That has happened. */
  wasUnaware = false;
  /** In which it numbers its messages. */
  epoch = 0;
  /** It reaches no parent, whatever its link is like. */
  isCutOff = false;
  /** Nobody publishes there but the fault that is at work. */
  isReserved = false;
  /** How often it has got another parent. */
  moves = 0;
  /** Epochs in which it has numbered messages since it has had no parent: with a copy of these, both would hand them on. */
  unoffered = new Set<number>();
  /** The ledger as of the last look, or of its last commit before it died. */
  lastLedger: readonly LedgerRow[] = [];
  readonly #deps: MachineDeps;
  #life: Life | undefined;
  #lives = 0;
  /** Starts of its operating system. */
  #boots = 1;
  #parent: string | undefined;
  /** Reads without a node, up to the last moment. */
  #database: NodeDatabase | undefined;

  constructor(deps: MachineDeps, plan: NodePlan, folder: string, id = plan.name) {
    this.#deps = deps;
    this.plan = plan;
    this.id = id;
    this.#parent = plan.parent;
    this.disk = new Disk(folder, deps.random.fork(`disk of ${id}`));
    this.link = new Link(deps.clock, deps.random.fork(`link of ${id}`), deps.counts);
  }

  get name(): string {
    return this.plan.name;
  }

  get parent(): string | undefined {
    return this.#parent;
  }

  set parent(name: string | undefined) {
    this.#parent = name;
    this.moves++;
  }

  /** That older copy of its disk is in the place of its disk; `isUnseen`: nothing shows it that the system tells. */
  restored({ ledger, unoffered }: Backup, isUnseen: boolean): void {
    this.generation++;
    this.lastLedger = ledger;
    this.unoffered = new Set(unoffered);
    this.isUnaware = isUnseen;
    this.wasUnaware ||= isUnseen;
  }

  /** What a backup of a node that runs has to know. */
  backUp(tree: { parentOf(machine: Machine): Machine | undefined; copiesOf(name: string): number }): Backup {
    this.#look();
    return {
      snapshot: this.disk.snapshot(),
      held: this.held(),
      ledger: this.lastLedger,
      moves: this.moves,
      generation: this.generation,
      isUnaware: this.isUnaware,
      copies: tree.copiesOf(this.name),
      unoffered: new Set(this.unoffered),
      parentGeneration: tree.parentOf(this)?.generation,
    };
  }

  /** What its system tells of the database: some tell nothing of their own start. */
  fingerprint(): Fingerprint {
    const bootId = this.plan.tellsBoot ? `boot ${this.#boots} of ${this.id}` : undefined;
    return { bootId, file: this.disk.fileId, birth: undefined };
  }

  /** The node that runs here, when it has started. */
  get life(): (Host & { readonly broker: MemoryBroker; readonly store: NodeStore }) | undefined {
    const life = this.#life;
    if (life?.node === undefined || life.broker === undefined || life.store === undefined) return undefined;
    return life as Host & { readonly broker: MemoryBroker; readonly store: NodeStore };
  }

  get isRunning(): boolean {
    return this.#life !== undefined;
  }

  /** Starts the node; answers why it did not start, as its supervisor would read it. */
  async start(): Promise<string | undefined> {
    if (this.#life !== undefined || this.isResting) return undefined;
    const deps = this.#deps;
    const life = new Life(this.name, new NodeClock(deps.clock, () => this.clockErrorMs));
    this.#life = life;
    const random = deps.random.fork(`life ${++this.#lives} of ${this.id}`);
    const uint32 = (): number => 1 + Math.floor(random.unit() * 0xffff_fffe);
    try {
      const node = await startNode(
        {
          clock: life.clock,
          random: { unit: () => random.unit(), uint32, uuid: () => `uuid-${uint32()}-${uint32()}` },
          log: deps.log.child({ node: this.name }),
          logControl: { level: () => "info", setLevel: () => undefined },
          openStore: async (config) => (life.store = this.#openStore(life, config)),
          createBroker: async (authorizer) => {
            const broker = new MemoryBroker({ clock: life.clock, log: deps.log }, { authorizer });
            deps.attend(this, Object.assign(life, { broker }));
            return broker;
          },
          dialParent: () => (options, signal) =>
            this.link.dial(life, () => (this.isCutOff ? undefined : this.#parentHost()), options, signal),
          hasDocuments: () => false,
          openDocuments: async () => ({ documents: deps.documents, async [Symbol.asyncDispose]() {} }),
          fingerprint: () => this.fingerprint(),
          version: "simulated",
          pid: 1,
        },
        configOf(this.plan, this.parent, this.disk.folder, deps.streams),
      );
      if (life.isAlive) life.node = node;
      return undefined;
    } catch (error) {
      if (!(error instanceof FogbankError)) throw error;
      if (life.isAlive) this.#end(life, "process");
      return error.message;
    }
  }

  /** It dies now, whatever it was doing, unless it is dead. */
  die(how: Death): void {
    const life = this.#life;
    if (life === undefined) return;
    this.#look();
    this.disk.crash();
    this.#end(life, how);
  }

  /** Resolves when it has stopped as at SIGTERM, which needs time to pass. */
  async stop(): Promise<void> {
    const life = this.#life;
    if (life?.node === undefined) return;
    await life.node[Symbol.asyncDispose]();
    if (life.isAlive) this.#end(life, "process");
  }

  /** Its end of every connection, also while it starts. */
  host(): Host | undefined {
    return this.#life;
  }

  #parentHost(): Host | undefined {
    return this.#deps.machine(this.parent ?? "")?.host();
  }

  /** The ledger of every stream that has messages; of a dead node, as it was left. */
  async ledger(): Promise<readonly LedgerRow[]> {
    const store = this.life?.store;
    if (store === undefined) return this.lastLedger;
    const entries = await store.read("accounting", {});
    this.lastLedger = entries.map(({ row }) => row).filter(({ high }) => high > 0);
    return this.lastLedger;
  }

  /** Every number that is stored here, of a node that runs. */
  held(): readonly HeldNumber[] {
    if (this.#database === undefined) return [];
    const { segments, streams } = readAll(this.#database);
    return segments.flatMap(({ id, origin, epoch, streamId, first, items, body }) => {
      const isSame = (stream: StreamState): boolean =>
        stream.origin === origin && stream.epoch === epoch && stream.streamId === streamId;
      const { name = "", class: kind = "custody" } = streams.find(isSame) ?? {};
      const messages = body === null ? [] : (decodeSegment(body, items) ?? []);
      return Array.from({ length: items }, (_, at) => {
        const payload = messages[at]?.payload;
        const key = numberKey(origin, epoch, name, first + at);
        return { key, message: payload && nameMessage(payload), origin, class: kind, id };
      });
    });
  }

  #openStore(life: Life, config: Parameters<typeof openNodeStoreInThread>[1]): NodeStore {
    const follow = this.#deps.follow(this.name);
    const offering = this.#followOffers();
    const opened = this.disk.open(life.clock, config, {
      committed: (requests, outcomes) => {
        follow(requests, outcomes, () => readAll(opened).segments);
        offering(requests, outcomes);
        if (requests.some(({ name }) => name === "meet")) this.isUnaware = false;
      },
      leaving: () => this.#look(),
      crashed: (point) => {
        // What is written goes to the disk as a whole or not at all while the system lives.
        this.#end(life, point === "torn" ? "power" : "process");
        this.#deps.crashed(this, point);
      },
    });
    this.#database = opened;
    return openNodeStoreInThread({ clock: life.clock, hasher: nodeHasher }, config, this.#deps.wrap(opened));
  }

  /** Of one life: what it numbers before it meets a parent is its own alone. */
  #followOffers(): (requests: readonly WriteRequest[], outcomes: readonly WriteOutcome[]) => void {
    let hasMet = false;
    return (requests, outcomes) =>
      requests.forEach(({ name }, index) => {
        const outcome = outcomes[index];
        if (outcome === undefined || "error" in outcome) return;
        if (name === "open" || name === "renewEpoch")
          this.epoch = (outcome.value as { readonly identity: { readonly epoch: number } }).identity.epoch;
        if (name === "append" && !hasMet) this.unoffered.add(this.epoch);
        if (name !== "meet") return;
        hasMet = true;
        this.unoffered.clear();
      });
  }

  /** Keeps the ledger as the last commit left it. */
  #look(): void {
    try {
      const entries = this.#database?.read({ name: "accounting", args: {} }) as readonly { readonly row: LedgerRow }[];
      this.lastLedger = entries.map(({ row }) => row).filter(({ high }) => high > 0);
    } catch {
      // It died while it opened its database: what was known before still holds.
    }
  }

  #end(life: Life, how: Death): void {
    if (how === "power") this.#boots++;
    life.isAlive = false;
    life.clock.stop();
    this.#life = undefined;
    this.#database = undefined;
    this.#deps.parted(life, how);
  }
}

function readAll(database: NodeDatabase): ReturnType<NodeReads["after"]> {
  const everything = { name: "after", args: { id: 0, bytesMax: Number.POSITIVE_INFINITY } };
  return database.read(everything) as ReturnType<NodeReads["after"]>;
}
