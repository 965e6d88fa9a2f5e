// Nodes in this process for the client library: whole ones, and a bare broker whose other half a test writes itself.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { treeAuthorizer } from "#agent/broker/authorize.ts";
import type { Broker } from "#agent/broker/broker.ts";
import { startCoreBroker } from "#agent/broker/core-broker.ts";
import { loadConfig } from "#agent/config/config.ts";
import { mqttParent } from "#agent/link/mqtt-parent.ts";
import { startNode, type RunningNode } from "#agent/node.ts";
import { openNodeStoreInThread } from "#agent/store/node-store.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { systemClock } from "#agent/system/system-clock.ts";
import { systemRandom } from "#agent/system/system-random.ts";
import { connect, type ConnectOptions, type FogbankClient } from "../../client/client.ts";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { createMemoryDocumentStore } from "../fakes/memory-document-store.ts";
import { createMemorySessionStore } from "../fakes/memory-session-store.ts";
import { silentLogger } from "../fakes/silent-logger.ts";

const pickPort = createPortPicker();

/** A node called device-1, unless its settings say otherwise, on free ports. */
export class LiveNode implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "fogbank-client-"));
  readonly #settings: Readonly<Record<string, string>>;
  #node: RunningNode | undefined;
  #broker: Broker | undefined;
  /** Of MQTT over TCP: the same after a restart, as that over WebSocket. */
  readonly port: number;
  readonly #webSocketPort: number;

  private constructor(settings: Readonly<Record<string, string>>, port: number, webSocketPort: number) {
    this.#settings = settings;
    this.port = port;
    this.#webSocketPort = webSocketPort;
  }

  static async start(settings: Readonly<Record<string, string>> = {}): Promise<LiveNode> {
    const node = new LiveNode(settings, await pickPort(), await pickPort());
    await node.start();
    return node;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  get webSocketUrl(): string {
    return `ws://127.0.0.1:${this.#webSocketPort}`;
  }

  get broker(): Broker {
    if (this.#broker === undefined) throw new Error("the node does not run");
    return this.#broker;
  }

  async start(): Promise<void> {
    const { config } = loadConfig({
      env: {},
      hostname: "unused",
      readFile: () => "",
      flags: {
        name: "device-1",
        "data-dir": join(this.#folder, "data"),
        "listen.mqtt": `127.0.0.1:${this.port},${this.webSocketUrl}`,
        "listen.http": "127.0.0.1:0",
        "sources.host.enabled": "false",
        ...this.#settings,
      },
    });
    const log = silentLogger();
    this.#node = await startNode(
      {
        clock: systemClock,
        random: systemRandom,
        log,
        logControl: { level: () => "info", setLevel: () => undefined },
        openStore: async (database) => openNodeStoreInThread({ clock: systemClock, hasher: nodeHasher }, database),
        createBroker: async (authorizer, store) =>
          (this.#broker = await startCoreBroker(
            { clock: systemClock, random: systemRandom, log, store },
            { authorizer },
          )),
        dialParent: (uplink) => mqttParent(systemClock, uplink),
        hasDocuments: () => false,
        openDocuments: async () => ({ documents: createMemoryDocumentStore(), async [Symbol.asyncDispose]() {} }),
        fingerprint: () => undefined,
        version: "test",
        pid: 1,
      },
      config,
    );
  }

  async stop(): Promise<void> {
    await this.#node?.[Symbol.asyncDispose]();
    this.#node = undefined;
    this.#broker = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A broker and nothing else, on a free port. */
export async function bareBroker(): Promise<{ readonly broker: Broker; readonly url: string } & AsyncDisposable> {
  const broker = await startCoreBroker(
    { clock: systemClock, random: systemRandom, log: silentLogger(), store: createMemorySessionStore() },
    { authorizer: treeAuthorizer },
  );
  const [address] = await broker.listen([{ host: "127.0.0.1", port: 0 }]);
  return {
    broker,
    url: `mqtt://127.0.0.1:${address?.port ?? 0}`,
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  };
}

/** Comes back at once. */
export function quickly(url: string, options: ConnectOptions = {}): Promise<FogbankClient> {
  return connect(url, { backoffMs: { first: 1, longest: 20 }, ...options });
}
