// Whole nodes on a memory network and one fake clock: real parts, real SQLite, no sockets, no threads. A test says when time passes.
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeConfig } from "#agent/config/config.ts";
import type { DialParent } from "#agent/link/parent-connection.ts";
import { startNode, type RunningNode } from "#agent/node.ts";
import { openNodeStoreInThread, type NodeStore } from "#agent/store/node-store.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { FogbankError } from "#shared/errors.ts";
import { parseNodeName, type Level } from "#shared/ids.ts";
import type { LedgerRow } from "#shared/journal/ledger.ts";
import type { DataDocument, DocumentStore } from "#shared/system/document-store.ts";
import { FakeClock } from "./fake-clock.ts";
import { MemoryBroker, type MemoryClient } from "./memory-broker.ts";
import { createMemoryDocumentStore } from "./memory-document-store.ts";
import { silentLogger } from "./silent-logger.ts";

/** How the network between a child and its parent behaves. */
export type LinkCondition =
  | "up"
  /** Connections are refused, open ones are reset. */
  | "down"
  /** Nothing arrives in either direction, and nobody is told. */
  | "silent";

export interface NodeOptions {
  readonly level: Level;
  readonly parent?: string;
  readonly maxBytes?: number;
  /** When it is not the name it is known by here. */
  readonly name?: string;
}

interface Member {
  options: NodeOptions;
  readonly dataDir: string;
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
  readonly documents: DocumentStore = createMemoryDocumentStore();
  /** Every connection that was ever opened, as "from → to". */
  readonly dialled: string[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), "fogbank-tree-"));
  readonly #members = new Map<string, Member>();
  #uuids = 0;

  /** Adds a node and starts it. */
  async add(name: string, options: NodeOptions): Promise<void> {
    const dataDir = join(this.#directory, name);
    this.#members.set(name, {
      options,
      dataDir,
      link: "up",
      node: undefined,
      broker: undefined,
      store: undefined,
      uplinks: new Set(),
      dials: 0,
    });
    await this.start(name);
  }

  async start(name: string): Promise<void> {
    const member = this.#member(name);
    member.node = await startNode(
      {
        clock: this.clock,
        random: { unit: () => 0.5, uint32: () => ++this.#uuids, uuid: () => `uuid-${++this.#uuids}` },
        log: this.log.child({ node: name }),
        logControl: { level: () => "info", setLevel: () => undefined },
        openStore: async (config) =>
          (member.store = openNodeStoreInThread({ clock: this.clock, hasher: nodeHasher }, config)),
        createBroker: async (authorizer) =>
          (member.broker = new MemoryBroker({ clock: this.clock, log: this.log }, { authorizer })),
        dialParent: () => this.#dialParent(name),
        openDocuments: async () => ({ documents: this.documents, async [Symbol.asyncDispose]() {} }),
        version: "test",
        pid: 1,
      },
      nodeConfig(name, member),
    );
    await this.settle();
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

  /** Copies the data of a stopped node, or puts a copy back. */
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

  /** What the root's document store holds, in order of arrival. */
  stored(): Promise<readonly DataDocument[]> {
    return this.documents.findData({ limit: 1_000_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [name, { node }] of [...this.#members].toReversed()) if (node !== undefined) await this.stop(name);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`there is no node ${name}`);
    return member;
  }

  #dialParent(name: string): DialParent {
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
        if (member.link === "up") options.onMessage(topic, payload);
      });
      member.uplinks.add(client);
      void client.closed.then(() => {
        member.uplinks.delete(client);
        if (member.link !== "silent") options.onClosed("the connection broke");
      });
      let sent: Promise<unknown> = Promise.resolve();
      return {
        send(topic, payload) {
          if (member.link !== "up") return;
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
  const { level, parent, maxBytes } = options;
  return {
    name: parseNodeName(options.name ?? name),
    level,
    tags: [],
    dataDir,
    logLevel: "silent",
    listen: { mqtt: [], http: [] },
    ...(parent === undefined ? {} : { uplink: { host: parent, port: 1883, url: `mqtt://${parent}` } }),
    auth: { anonymous: "always" },
    insecure: false,
    capture: [{ filter: "/data/#", stream: "data" }],
    sources: { host: { enabled: false, intervalMs: 1000 } },
    journal: maxBytes === undefined ? {} : { maxBytes },
  };
}
