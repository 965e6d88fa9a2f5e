// A real MongoDB for tests: a replica set of one member, without root, on loopback ports below the ephemeral ones. Its data is
// disposable: it ends by SIGKILL, since a primary that is asked to stop waits ten seconds for somebody to take over.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MongoClient } from "mongodb";
import { createPortPicker } from "../demo/free-ports.ts";
import { mongodFile } from "./mongod-binary.ts";

const setName = "rs0";
const shimFile = fileURLToPath(new URL("./wire-shim.ts", import.meta.url));
const patienceMs = 60_000;
const askAgainMs = 50;

/** A mongod that can be mistreated. */
export interface MongodUnderTest {
  /** For the driver, with the replica set. */
  readonly url: string;
  /** Process ids of all that runs now. */
  pids(): readonly number[];
  /** Starts what does not run on the data that is there; resolves when it is the primary. */
  start(): Promise<void>;
  /** SIGKILL to mongod; resolves when it has ended. */
  kill(): Promise<void>;
  /** Stops mongod in its tracks, connections open, or lets it go on. */
  freeze(frozen: boolean): void;
  /** Runs a command on the database `admin`. */
  admin(command: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Where its files are: to be copied while it does not run. */
  readonly dataFolder: string;
  /** Ends everything. */
  end(): Promise<void>;
}

export interface MongodPlace {
  /** Holds its data and logs; made when it is not there. */
  readonly folder: string;
  /** Two free ones. */
  readonly ports: { readonly mongod: number; readonly shim: number };
  /** Hears of each process that is started. */
  readonly started?: (pid: number) => void;
  /** Arguments besides the usual ones. */
  readonly options?: readonly string[];
}

/** Nothing runs yet. */
export function mongodUnderTest({ folder, ports, started, options = [] }: MongodPlace): MongodUnderTest {
  const dataFolder = join(folder, "data");
  const direct = `mongodb://127.0.0.1:${ports.shim}/?directConnection=true&serverSelectionTimeoutMS=2000`;
  let mongod: ChildProcess | undefined;
  let shim: ChildProcess | undefined;
  const running = (): ChildProcess[] => [mongod, shim].filter((child) => child !== undefined).filter(isRunning);
  const launch = (name: string, program: string, args: readonly string[]): ChildProcess => {
    const log = openSync(join(folder, `${name}.log`), "a");
    // Detached: it may have to outlive whoever starts it, and Ctrl-C in the terminal is not for it.
    const child = spawn(program, args, { stdio: ["ignore", log, log], detached: true });
    closeSync(log);
    child.unref();
    if (child.pid !== undefined) started?.(child.pid);
    return child;
  };
  return {
    url: `mongodb://127.0.0.1:${ports.shim}/?replicaSet=${setName}`,
    dataFolder,
    pids: () => running().flatMap(({ pid }) => (pid === undefined ? [] : [pid])),
    async start() {
      mkdirSync(dataFolder, { recursive: true });
      const program = await mongodFile();
      if (shim === undefined || !isRunning(shim)) {
        shim = launch("shim", process.execPath, [shimFile, String(ports.shim), String(ports.mongod)]);
      }
      if (mongod === undefined || !isRunning(mongod)) {
        mongod = launch("mongod", program, [...mongodArguments(dataFolder, ports.mongod), ...options]);
      }
      const children = [shim, mongod];
      await becomePrimary(direct, `127.0.0.1:${ports.shim}`, () => {
        if (!children.every(isRunning)) throw new Error(`mongod does not run: see ${folder}/*.log`);
      });
    },
    kill: () => endChild(mongod),
    freeze: (frozen) => void mongod?.kill(frozen ? "SIGSTOP" : "SIGCONT"),
    async admin(command) {
      await using client = new MongoClient(direct);
      return await client.db("admin").command(command);
    },
    async end() {
      await Promise.all([endChild(mongod), endChild(shim)]);
    },
  };
}

export interface StartedMongodb {
  /** What `variable` is to be set to. */
  readonly url: string;
  /** Processes that go on when this one ends. */
  readonly pids: readonly number[];
  /** Ends them. */
  readonly end: () => Promise<void>;
}

/** For the table of services. */
export const mongodbService = {
  name: "mongodb",
  /** In the environment: the URL of a server of one's own, which tests then use instead. */
  variable: "FOGBANK_TEST_MONGO_URL",
  /** Its data is in `folder`. Resolves when it takes writes; rejects with nothing left running. `started` hears of each process. */
  async start(folder: string, started?: (pid: number) => void): Promise<StartedMongodb> {
    const pick = createPortPicker();
    const ports = { mongod: await pick(), shim: await pick() };
    const server = mongodUnderTest({ folder, ports, ...(started && { started }) });
    try {
      await server.start();
      return { url: server.url, pids: server.pids(), end: () => server.end() };
    } catch (error) {
      await server.end();
      throw error;
    }
  },
};

function mongodArguments(dataFolder: string, port: number): readonly string[] {
  const small = ["--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"];
  // Eleven megabytes instead of three hundred.
  const logs = ["--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=10MB)"];
  const expiry = ["--setParameter", "ttlMonitorSleepSecs=1", "--setParameter", "enableTestCommands=1"];
  const place = ["--dbpath", dataFolder, "--port", String(port), "--bind_ip", "127.0.0.1", "--nounixsocket"];
  return [...place, "--replSet", setName, ...small, ...logs, ...expiry];
}

/** Makes a replica set of the one member `address` if it is none yet, and waits until it takes writes. `check` throws when it never will. */
async function becomePrimary(direct: string, address: string, check: () => void): Promise<void> {
  await using client = new MongoClient(direct);
  const admin = client.db("admin");
  const deadlineMs = performance.now() + patienceMs;
  while (performance.now() < deadlineMs) {
    check();
    // The name of before 5.0: this server knows no other. It may not listen yet.
    const greeting = await admin.command({ isMaster: 1 }).catch(() => undefined);
    if (greeting?.["ismaster"] === true) return;
    if (greeting?.["isreplicaset"] === true) {
      const settings = { electionTimeoutMillis: 1_000, heartbeatIntervalMillis: 500 };
      const config = { _id: setName, members: [{ _id: 0, host: address }], settings };
      await admin.command({ replSetInitiate: config });
    }
    await new Promise((resolve) => setTimeout(resolve, askAgainMs));
  }
  throw new Error(`mongod is no primary after ${patienceMs / 1000} s`);
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

async function endChild(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || !isRunning(child)) return;
  child.ref();
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}
