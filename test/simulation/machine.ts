// One machine of the simulated tree: a disk, a clock that may be wrong, a link upward, and the node that runs on it from start to
// death. The node is the real one; what dies is cut off from everything at once, whatever it was doing.
import { startNode, type RunningNode } from "#agent/node.ts";
import { openNodeStoreInThread, type NodeStore } from "#agent/store/node-store.ts";
import type { NodeDatabase } from "#agent/store/node-database.ts";
import type { NodeReads } from "#agent/store/node-operations.ts";
import type { WriteOutcome, WriteRequest } from "#agent/store/group-commit.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { FogbankError } from "#shared/errors.ts";
import type { LedgerRow } from "#shared/journal/ledger.ts";
import type { StreamState } from "#shared/journal/stream.ts";
import type { DocumentStore } from "#shared/system/document-store.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { Seeded } from "../../scripts/torture/seeded.ts";
import type { FakeClock } from "../fakes/fake-clock.ts";
import { MemoryBroker } from "../fakes/memory-broker.ts";
import { Disk, type CrashPoint, type Snapshot } from "./disk.ts";
import { Link, type Host, type NetworkCounts } from "./network.ts";
import { NodeClock } from "./node-clock.ts";
import { numberKey } from "./numbered.ts";
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
  follow(origin: string): (requests: readonly WriteRequest[], outcomes: readonly WriteOutcome[]) => void;
  /** Stands between a node and its disk. */
  wrap(database: NodeDatabase): NodeDatabase;
  /** That end of every connection is gone. */
  parted(host: Host, how: Death): void;
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

export class Machine {
  readonly plan: NodePlan;
  readonly disk: Disk;
  readonly link: Link;
  parent: string | undefined;
  /** Milliseconds by which its wall clock is wrong. */
  clockErrorMs = 0;
  /** Tells copies of one node apart. */
  readonly id: string;
  /** Raised when an older copy is put in the place of its disk. */
  generation = 1;
  /** Off duty: two nodes of one name take turns. */
  isResting = false;
  /** A copy of its disk, and the numbers whose messages are on it. */
  backup: { readonly snapshot: Snapshot; readonly held: ReadonlySet<string> } | undefined;
  /** The ledger as of the last look, or of its last commit before it died. */
  lastLedger: readonly LedgerRow[] = [];
  readonly #deps: MachineDeps;
  #life: Life | undefined;
  #lives = 0;
  /** Reads without a node, up to the last moment. */
  #database: NodeDatabase | undefined;

  constructor(deps: MachineDeps, plan: NodePlan, folder: string, id = plan.name) {
    this.#deps = deps;
    this.plan = plan;
    this.id = id;
    this.parent = plan.parent;
    this.disk = new Disk(folder, deps.random.fork(`disk of ${id}`));
    this.link = new Link(deps.clock, deps.random.fork(`link of ${id}`), deps.counts);
  }

  get name(): string {
    return this.plan.name;
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
          createBroker: async (authorizer) =>
            (life.broker = new MemoryBroker({ clock: life.clock, log: deps.log }, { authorizer })),
          dialParent: () => (options, signal) =>
            this.link.dial(life, () => deps.machine(this.parent ?? "")?.host(), options, signal),
          openDocuments: async () => ({ documents: deps.documents, async [Symbol.asyncDispose]() {} }),
          fingerprint: () => undefined,
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

  /** The ledger of every stream that has messages; of a dead node, as it was left. */
  async ledger(): Promise<readonly LedgerRow[]> {
    const store = this.life?.store;
    if (store === undefined) return this.lastLedger;
    const entries = await store.read("accounting", {});
    this.lastLedger = entries.map(({ row }) => row).filter(({ high }) => high > 0);
    return this.lastLedger;
  }

  /** Every number whose message is stored here, of a node that runs. */
  held(): ReadonlySet<string> {
    if (this.#database === undefined) return new Set();
    const { segments, streams } = this.#database.read({
      name: "after",
      args: { id: 0, bytesMax: Number.POSITIVE_INFINITY },
    }) as ReturnType<NodeReads["after"]>;
    const keys = new Set<string>();
    for (const { origin, epoch, streamId, first, items, body } of segments) {
      const isSame = (stream: StreamState): boolean =>
        stream.origin === origin && stream.epoch === epoch && stream.streamId === streamId;
      const name = streams.find(isSame)?.name ?? "";
      if (body === null) continue;
      for (let number = first; number < first + items; number++) keys.add(numberKey(origin, epoch, name, number));
    }
    return keys;
  }

  #openStore(life: Life, config: Parameters<typeof openNodeStoreInThread>[1]): NodeStore {
    const follow = this.#deps.follow(this.name);
    const opened = this.disk.open(life.clock, config, {
      committed: follow,
      leaving: () => this.#look(),
      crashed: (point) => {
        this.#end(life, "process");
        this.#deps.crashed(this, point);
      },
    });
    this.#database = opened;
    return openNodeStoreInThread({ clock: life.clock, hasher: nodeHasher }, config, this.#deps.wrap(opened));
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
    life.isAlive = false;
    life.clock.stop();
    this.#life = undefined;
    this.#database = undefined;
    this.#deps.parted(life, how);
  }
}
