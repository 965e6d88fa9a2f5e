// Whole nodes on a memory network and one fake clock: real parts, real SQLite, no sockets, no threads. A test says when time passes.
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeConfig } from "#agent/config/config.ts";
import type { StreamConfig } from "#agent/config/stream-schema.ts";
import type { DialParent } from "#agent/link/parent-connection.ts";
import { startNode, type RunningNode } from "#agent/node.ts";
import { openNodeStoreInThread, type NodeStore } from "#agent/store/node-store.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { FogbankError } from "#shared/errors.ts";
import { parseNodeName, type Level } from "#shared/ids.ts";
import { segmentFlags } from "#shared/journal/segment.ts";
import type { GapRow, LedgerRow } from "#shared/journal/ledger.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import type { DataDocument, DocumentStore } from "#shared/system/document-store.ts";
import type { Fingerprint } from "#shared/journal/fingerprint.ts";
import type { StreamClass } from "#shared/journal/stream.ts";
import { FakeClock } from "./fake-clock.ts";
import { MachineClock } from "./machine-clock.ts";
import { MemoryBroker, type MemoryClient } from "./memory-broker.ts";
import { createMemoryDocumentStore } from "./memory-document-store.ts";
import { silentLogger } from "./silent-logger.ts";

/** How the network between a child and its parent behaves. */
export type LinkCondition =
  | "up"
  /** Connections are refused, open ones are reset. */
  | "down"
  /** Nothing arrives in either direction, and nobody is told. */
  | "silent"
  /** What the child sends arrives, what the parent sends does not. */
  | "deaf";

export interface NodeOptions {
  readonly level: Level;
  readonly parent?: string;
  readonly maxBytes?: number;
  /** Class of its one stream. */
  readonly streamClass?: StreamClass;
  /** `data` with `/data/#` when absent. */
  readonly streams?: readonly StreamConfig[];
  /** When it is not the name it is known by here. */
  readonly name?: string;
  /** What conditions ask for. */
  readonly about?: Partial<Pick<NodeConfig, "zone" | "tags" | "lat" | "lon" | "class" | "cond" | "dataWindowMs">>;
}

/** What a node records unless it is told otherwise. */
export const dataStream: StreamConfig = {
  name: "data",
  filters: ["/data/#"],
  priority: 2,
  share: 1,
  order: "live-first",
  policy: "oldest",
  class: "custody",
};

interface Member {
  options: NodeOptions;
  readonly dataDir: string;
  readonly clock: MachineClock;
  fingerprint: Fingerprint;
  /** Of the segments taken in. */
  readonly flags: number[];
  /** That came from the children, duplicates included. */
  messages: number;
  link: LinkCondition;
  node: RunningNode | undefined;
  broker: MemoryBroker | undefined;
  store: NodeStore | undefined;
  /** Closes the connections to the parent. */
  readonly uplinks: Set<MemoryClient>;
  dials: number;
}

export class MemoryTree implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly log = silentLogger();
  documents: DocumentStore = createMemoryDocumentStore();
  /** Every connection that was ever opened, as "from → to". */
  readonly dialled: string[] = [];
  /** Topic of every frame that a link has carried, in order. */
  readonly carried: string[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), "fogbank-tree-"));
  readonly #members = new Map<string, Member>();
  /** What those who are or were roots have stored. */
  readonly #keeping = new Map<string, DocumentStore>();
  #uuids = 0;

  /** Adds a node and starts it. */
  async add(name: string, options: NodeOptions): Promise<void> {
    this.#join(name, options);
    await this.start(name);
  }

  async start(name: string): Promise<void> {
    const member = this.#member(name);
    member.node = await startNode(
      {
        clock: member.clock,
        random: { unit: () => 0.5, uint32: () => ++this.#uuids, uuid: () => `uuid-${++this.#uuids}` },
        log: this.log.child({ node: name }),
        logControl: { level: () => "info", setLevel: () => undefined },
        openStore: async (config) =>
          (member.store = observed(openNodeStoreInThread({ clock: member.clock, hasher: nodeHasher }, config), member)),
        createBroker: async (authorizer) =>
          (member.broker = new MemoryBroker({ clock: this.clock, log: this.log }, { authorizer })),
        dialParent: () => this.#dialParent(name),
        hasDocuments: () => this.#keeping.has(name),
        openDocuments: async () => {
          if (member.options.parent === undefined) this.#keeping.set(name, this.documents);
          const documents = this.#keeping.get(name) ?? this.documents;
          return { documents, async [Symbol.asyncDispose]() {} };
        },
        fingerprint: () => member.fingerprint,
        version: "test",
        pid: 1,
      },
      nodeConfig(name, member),
    );
    await this.settle();
  }

  /** How something that is none of these nodes reaches `parent`, over a link that is known by `name`. */
  dialFrom(name: string, parent: string): DialParent {
    this.#join(name, { level: "device", parent });
    return this.#dialParent(name);
  }

  /** Stops it as SIGTERM does. Time passes. */
  async stop(name: string): Promise<void> {
    const member = this.#member(name);
    const stopping = Promise.resolve(member.node?.[Symbol.asyncDispose]());
    member.node = undefined;
    let stopped = false;
    void stopping.finally(() => (stopped = true));
    for (let round = 0; round < 1000 && !stopped; round++) await this.clock.advance(20);
    await stopping;
    member.broker = undefined;
    member.store = undefined;
  }

  /** Ends it as SIGKILL does: what is not on disk is lost, and nobody above hears a word. Time passes. */
  async kill(name: string): Promise<void> {
    const { link } = this.#member(name);
    await this.link(name, "down");
    this.copyData(name, "node");
    await this.stop(name);
    this.copyData(name, "copy");
    this.#member(name).link = link;
  }

  /** The clock of that node's machine. */
  machineClock(name: string): MachineClock {
    return this.#member(name).clock;
  }

  /** The machine of a stopped node is started anew. */
  reboot(name: string): void {
    const member = this.#member(name);
    member.clock.reboot();
    member.fingerprint = { ...member.fingerprint, bootId: `boot ${++this.#uuids} of ${name}` };
  }

  /** From now on the operating system shows another file in the place of that node's database. */
  replaceFile(name: string): void {
    const member = this.#member(name);
    member.fingerprint = { ...member.fingerprint, file: `disk ${++this.#uuids} of ${name}` };
  }

  /** Deletes the data of a stopped node. */
  wipe(name: string): void {
    rmSync(this.#member(name).dataDir, { recursive: true, force: true });
  }

  /** The root, which is stopped, loses its documents. */
  wipeDocuments(): void {
    this.documents = createMemoryDocumentStore(++this.#uuids);
  }

  /** Starts a node on the data of another one that is stopped: the clone of its disk, in another machine if that can be told. */
  async clone(name: string, original: string, options: NodeOptions, how?: "alike"): Promise<void> {
    cpSync(this.#member(original).dataDir, join(this.#directory, name), { recursive: true });
    this.#join(name, { ...options, name: original });
    if (how === "alike") this.#member(name).fingerprint = this.#member(original).fingerprint;
    await this.start(name);
  }

  /** Copies the data of a node as it is on disk, or puts a copy back while it is stopped. */
  copyData(name: string, from: "node" | "copy"): void {
    const { dataDir } = this.#member(name);
    const copy = `${dataDir}-copy`;
    const [source, target] = from === "node" ? [dataDir, copy] : [copy, dataDir];
    rmSync(target, { recursive: true, force: true });
    cpSync(source, target, { recursive: true });
  }

  /** Starts a stopped node below `parent`, over a link in that condition. */
  async begin(name: string, parent: string, link: LinkCondition): Promise<void> {
    const member = this.#member(name);
    member.options = { ...member.options, parent };
    member.link = link;
    await this.start(name);
  }

  /** Stops it and starts it again below another parent. */
  async move(name: string, parent: string): Promise<void> {
    await this.stop(name);
    this.#member(name).options = { ...this.#member(name).options, parent };
    await this.start(name);
    await this.advance(1000);
  }

  /** Sets the network between `name` and its parent. */
  async link(name: string, condition: LinkCondition): Promise<void> {
    const member = this.#member(name);
    member.link = condition;
    if (condition === "down") await Promise.all([...member.uplinks].map((client) => client.drop()));
    await this.settle();
  }

  client(node: string, clientId: string): Promise<MemoryClient> {
    const { broker } = this.#member(node);
    if (broker === undefined) throw new Error(`${node} is not running`);
    return broker.connect(clientId);
  }

  /** Lets time pass in small steps. */
  async advance(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 50) await this.clock.advance(Math.min(50, ms - passed));
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let round = 0; round < 20; round++) await this.clock.advance(0);
  }

  /** The ledger of a node, of every stream that has messages. */
  async ledger(name: string): Promise<readonly LedgerRow[]> {
    const { store } = this.#member(name);
    const entries = (await store?.read("accounting", {})) ?? [];
    return entries.map(({ row }) => row).filter(({ high }) => high > 0);
  }

  /** The gaps that a node names for an origin. */
  async gaps(name: string, origin: string): Promise<readonly GapRow[]> {
    const entries = (await this.#member(name).store?.read("accounting", { origin })) ?? [];
    return entries.flatMap(({ gaps }) => gaps);
  }

  /** Flags of the segments that a node has taken in from its children, in the order they came, repetitions left out. */
  flagsSeen(name: string): readonly number[] {
    const flags = this.#member(name).flags.map((one) => one & ~segmentFlags.historical);
    return flags.filter((one, index) => one !== flags[index - 1]);
  }

  /** How many messages have come to a node from its children, duplicates included. */
  messagesSeen(name: string): number {
    return this.#member(name).messages;
  }

  /** Gives up the segment that begins with that number of a node's only stream, as one whose body is broken. */
  async quarantine(name: string, first: number): Promise<void> {
    const { store } = this.#member(name);
    const [entry] = (await store?.read("accounting", { origin: name })) ?? [];
    if (entry === undefined) throw new Error(`${name} has no stream of its own`);
    const { epoch, streamId } = entry.row;
    const nowMs = this.clock.now();
    await store?.write("quarantine", { origin: name, epoch, streamId, first, reason: "corrupt", nowMs });
  }

  /** Lets a node draw a new epoch, and stops half-way. */
  async renewEpoch(name: string, epoch: number): Promise<void> {
    const { store } = this.#member(name);
    const nowMs = this.clock.now();
    await store?.write("renewEpoch", { fresh: { epoch, instance: epoch }, holds: [], nowMs });
    await store?.write("renumber", {});
  }

  /** A batch of a child's only stream arrives, whose payloads are the numbers. */
  async ingest(name: string, child: string, { first, last }: { first: number; last: number }): Promise<void> {
    const { store } = this.#member(name);
    const [row] = (await store?.read("accounting", { origin: child })) ?? [];
    if (row === undefined) throw new Error(`${name} knows no stream of ${child}`);
    const items = Array.from({ length: last - first + 1 }, (_, index) => ({
      timeMs: this.clock.now(),
      topic: "/data/x",
      payload: new TextEncoder().encode(String(first + index)),
      retain: false,
    }));
    const body = encodeSegment(items);
    const { epoch, streamId } = row.row;
    const nowMs = this.clock.now();
    const identity = { origin: child, epoch, streamId, first, items: items.length };
    const segment = { ...identity, firstMs: nowMs, lastMs: nowMs, flags: 0, crc: nodeHasher.crc32(body), body };
    const batch = { streams: [], lows: [], segments: [{ ...segment, gap: undefined }] };
    await store?.write("ingest", { child, batch, nowMs });
    await this.settle();
  }

  /** What the root's document store holds, in order of arrival. */
  stored(): Promise<readonly DataDocument[]> {
    return this.documents.findData({ limit: 1_000_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [name, { node }] of [...this.#members].toReversed()) if (node !== undefined) await this.stop(name);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #join(name: string, options: NodeOptions): void {
    this.#members.set(name, {
      options,
      dataDir: join(this.#directory, name),
      clock: new MachineClock(this.clock),
      fingerprint: { bootId: `boot of ${name}`, file: `disk of ${name}`, birth: undefined },
      flags: [],
      messages: 0,
      link: "up",
      node: undefined,
      broker: undefined,
      store: undefined,
      uplinks: new Set(),
      dials: 0,
    });
  }

  #member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`there is no node ${name}`);
    return member;
  }

  #dialParent(name: string): DialParent {
    const { carried } = this;
    return async (options, signal) => {
      const member = this.#member(name);
      const parent = member.options.parent;
      const broker = parent === undefined ? undefined : this.#member(parent).broker;
      member.dials++;
      this.dialled.push(`${name} → ${parent}`);
      if (member.link === "silent")
        await new Promise((_, reject) =>
          signal.addEventListener("abort", () => reject(new FogbankError("FOGBANK_NOT_CONNECTED", "given up"))),
        );
      if (member.link === "down" || broker === undefined)
        throw new FogbankError("FOGBANK_NOT_CONNECTED", "connection refused");
      const will = options.will === undefined ? {} : { will: { ...options.will, qos: 0 as const, retain: false } };
      const client = await broker
        .connect(options.clientId, { ...will, username: options.username })
        .catch((error: unknown) => {
          throw new FogbankError("FOGBANK_NOT_CONNECTED", String(error));
        });
      if (options.subscribe !== undefined) await client.subscribe(options.subscribe);
      client.onMessage(({ topic, payload }) => {
        if (member.link !== "up") return;
        carried.push(topic);
        options.onMessage(topic, payload);
      });
      member.uplinks.add(client);
      void client.closed.then(() => {
        member.uplinks.delete(client);
        if (member.link !== "silent") options.onClosed("the connection broke");
      });
      let sent: Promise<unknown> = Promise.resolve();
      return {
        send(topic, payload) {
          if (member.link !== "up" && member.link !== "deaf") return;
          carried.push(topic);
          sent = client.publish({ topic, payload, qos: 0, retain: false }).catch(() => undefined);
        },
        drop: () => void client.drop(),
        async [Symbol.asyncDispose]() {
          await sent;
          await client.disconnect();
        },
      };
    };
  }
}

function nodeConfig(name: string, { options, dataDir }: Member): NodeConfig {
  const { level, parent, maxBytes, about } = options;
  return {
    name: parseNodeName(options.name ?? name),
    level,
    tags: [],
    cond: {},
    dataWindowMs: 60_000,
    ...about,
    dataDir,
    logLevel: "silent",
    listen: { mqtt: [], http: [] },
    ...(parent === undefined ? {} : { uplink: { host: parent, port: 1883, url: `mqtt://${parent}` } }),
    auth: { anonymous: "always" },
    insecure: false,
    streams: options.streams ?? [dataStream],
    sources: { host: { enabled: false, intervalMs: 1000 } },
    functions: { maxSeconds: 60, atOnce: 4 },
    journal: { ...(maxBytes === undefined ? {} : { maxBytes }), minCommitMs: 0 },
  };
}

/** Notes flags; and sets the class of streams until that can be configured. */
function observed(store: NodeStore, member: Member): NodeStore {
  const { streamClass } = member.options;
  return {
    ...store,
    write(name, args, lazy) {
      if (name === "ingest" && "batch" in args) {
        member.flags.push(...args.batch.segments.map((segment) => segment.flags));
        for (const { body, items } of args.batch.segments) member.messages += body === null ? 0 : items;
      }
      if (name === "open" && "streams" in args && streamClass !== undefined) {
        const streams = args.streams.map((stream) => ("class" in stream ? { ...stream, class: streamClass } : stream));
        return store.write(name, { ...args, streams }, lazy);
      }
      return store.write(name, args, lazy);
    },
  };
}
