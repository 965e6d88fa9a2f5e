// The clients of npm that are written in JavaScript, fetched for the benchmark and kept in the cache: no dependency of the project.
import { execFile } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheFolder } from "../../services/package-cache.ts";
import type { BenchClient, Contender } from "./contender.ts";

const packages = { plain: "node-zookeeper-client@1.1.3", stream: "zkstream@0.11.9" };

/** A package of that folder. */
type Load = (name: string) => unknown;
type Callback = (error: Error | null) => void;

interface PlainClient extends EventEmitter {
  connect(): void;
  close(): void;
  create(path: string, data: Buffer, callback: Callback): void;
  setData(path: string, data: Buffer, version: number, callback: Callback): void;
  getData(path: string, callback: Callback): void;
}

interface StreamClient extends EventEmitter {
  close(): void;
  create(path: string, data: Buffer, options: object, callback: Callback): void;
  set(path: string, data: Buffer, version: number, callback: Callback): void;
  get(path: string, callback: Callback): void;
}

/** Rejects when they cannot be fetched. */
export async function npmContenders(): Promise<readonly Contender[]> {
  const folder = join(cacheFolder(), "zookeeper-clients");
  const isThere = Object.values(packages).every((one) =>
    existsSync(join(folder, "node_modules", one.split("@")[0] ?? "")),
  );
  if (!isThere) {
    mkdirSync(folder, { recursive: true });
    const options = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder];
    await promisify(execFile)("npm", ["install", ...options, ...Object.values(packages)]);
  }
  const load: Load = createRequire(join(folder, "package.json"));
  return [plainContender(load), streamContender(load)];
}

function plainContender(load: Load): Contender {
  return {
    name: packages.plain,
    async open(ports, timeoutMs) {
      const { createClient } = load("node-zookeeper-client") as {
        readonly createClient: (list: string, options: object) => PlainClient;
      };
      const list = ports.map((port) => `127.0.0.1:${port}`).join(",");
      const client = createClient(list, { sessionTimeout: timeoutMs, retries: 0 });
      const connected = once(client, "connected");
      client.connect();
      await connected;
      return {
        create: async (path, data) => settled((done) => client.create(path, data, done)),
        set: async (path, data) => settled((done) => client.setData(path, data, -1, done)),
        get: async (path) => settled((done) => client.getData(path, done)),
        close: async () => client.close(),
      };
    },
  };
}

function streamContender(load: Load): Contender {
  return {
    name: packages.stream,
    async open(ports, timeoutMs): Promise<BenchClient> {
      const { Client } = load("zkstream") as { readonly Client: new (options: object) => StreamClient };
      // It writes a line for each of its states, unless its logger is a quiet one.
      const { createLogger } = load("bunyan") as { readonly createLogger: (options: object) => object };
      const log = createLogger({ name: "zkstream", level: 61 });
      const servers = ports.map((port) => ({ address: "127.0.0.1", port }));
      const client = new Client({ servers, sessionTimeout: timeoutMs, log });
      client.on("error", () => undefined);
      await once(client, "connect");
      return {
        create: async (path, data) => settled((done) => client.create(path, data, {}, done)),
        set: async (path, data) => settled((done) => client.set(path, data, -1, done)),
        get: async (path) => settled((done) => client.get(path, done)),
        close: async () => client.close(),
      };
    },
  };
}

async function settled(work: (done: Callback) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    work((error) => (error instanceof Error ? reject(error) : resolve()));
  });
}
