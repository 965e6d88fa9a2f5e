// A real ZooKeeper on loopback, out of Debian's packages: an ensemble of three, or one server with TLS. Each server is a process that
// can be killed, frozen and started again.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, openSync, readFileSync, writeFileSync, closeSync } from "node:fs";
import { join } from "node:path";
import { createPortPicker } from "../demo/free-ports.ts";
import { modeOf, sessionsAt, type ServerMode } from "./four-letter-words.ts";
import { findJava } from "./java.ts";
import { cachedPackages } from "./package-cache.ts";
import type { Service } from "./service.ts";
import { ensembleConfig, standaloneConfig, type ServerPorts, type ServerTls } from "./zookeeper-config.ts";

export interface ZooKeeperServer {
  /** Where clients connect to. */
  readonly port: number;
  readonly securePort: number | undefined;
  readonly pid: number | undefined;
  /** Starts the process, again after a `kill`. `serving` tells when it is of use. */
  start(): void;
  /** Resolves when the server answers clients as a leader, a follower or alone; rejects when it ends before, or takes too long. */
  serving(): Promise<void>;
  mode(): Promise<ServerMode | undefined>;
  /** Of the clients that are connected to it. */
  sessions(): Promise<readonly bigint[]>;
  /** SIGKILL; resolves when the process has ended. Its data stays. */
  kill(): Promise<void>;
  freeze(): void;
  thaw(): void;
}

export interface ServerStart {
  /** A new folder for all that the server writes. */
  readonly folder: string;
  /** Goes on when this process ends. */
  readonly detached?: boolean;
  /** Learns of every process, and of its end. */
  readonly guard?: { watch(pid: number): void; forget(pid: number): void };
}

const jars = ["zookeeper", "zookeeper-jute", "slf4j-api", "slf4j-nop", "metrics-core", "snappy-java"];
/** For TLS. `netty-all.jar` of Debian is empty. */
const nettyParts = ["common", "buffer", "transport", "handler", "codec", "resolver"];
const nettyJars = [...nettyParts, "transport-native-unix-common", "transport-native-epoll"].map(
  (part) => `netty-${part}`,
);
const packages = [
  "libzookeeper-java",
  "libslf4j-java",
  "libdropwizard-metrics-java",
  "libsnappy-java",
  "libnetty-java",
];
const serverClass = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
/** Nodes with a time to live are allowed, and looked for twice a second, as are empty containers: by default once a minute. */
const options = [
  "-Xmx192m",
  "-XX:+UseSerialGC",
  "-XX:TieredStopAtLevel=1",
  "-Dzookeeper.extendedTypesEnabled=true",
  "-Dznode.container.checkIntervalMs=500",
];
const servingMsMax = 60_000;
const pollMs = 50;
const ensembleSize = 3;

/** What it takes to run a server here. */
export interface ZooKeeperProgram {
  readonly java: string;
  readonly classPath: string;
}

/** Rejects with the reason when this machine has no Java or no packages, and cannot fetch them. */
export async function findZooKeeper(): Promise<ZooKeeperProgram> {
  const files = [...jars, ...nettyJars].map((jar) => `usr/share/java/${jar}.jar`);
  const root = await cachedPackages("zookeeper", packages, files);
  return { java: await findJava(), classPath: files.map((file) => join(root, file)).join(":") };
}

/** Three servers that know each other; started, and all of them serving. */
export async function startEnsemble(
  program: ZooKeeperProgram,
  start: ServerStart,
): Promise<readonly ZooKeeperServer[]> {
  const pick = createPortPicker();
  const ports: ServerPorts[] = [];
  for (let number = 1; number <= ensembleSize; number++) {
    ports.push({ client: await pick(), quorum: await pick(), election: await pick() });
  }
  const servers = ports.map((own, at) => {
    const folder = join(start.folder, `server-${at + 1}`);
    mkdirSync(join(folder, "data"), { recursive: true });
    writeFileSync(join(folder, "data", "myid"), `${at + 1}\n`);
    writeFileSync(join(folder, "zoo.cfg"), ensembleConfig(join(folder, "data"), ports));
    return createServer(program, { ...start, folder }, own);
  });
  await allServing(servers);
  return servers;
}

/** One server that knows no other, with TLS on a second port if asked for; started and serving. */
export async function startStandalone(
  program: ZooKeeperProgram,
  start: ServerStart,
  tls?: ServerTls,
): Promise<ZooKeeperServer> {
  const pick = createPortPicker();
  const ports = { client: await pick(), quorum: 0, election: 0, ...(tls !== undefined && { secure: await pick() }) };
  mkdirSync(join(start.folder, "data"), { recursive: true });
  writeFileSync(join(start.folder, "zoo.cfg"), standaloneConfig(join(start.folder, "data"), ports, tls));
  const server = createServer(program, start, ports);
  await allServing([server]);
  return server;
}

async function allServing(servers: readonly ZooKeeperServer[]): Promise<void> {
  for (const server of servers) server.start();
  try {
    await Promise.all(servers.map(async (server) => server.serving()));
  } catch (error) {
    await Promise.all(servers.map(async (server) => server.kill()));
    throw error;
  }
}

function createServer(program: ZooKeeperProgram, start: ServerStart, ports: ServerPorts): ZooKeeperServer {
  let child: ChildProcess | undefined;
  const log = join(start.folder, "server.out");
  return {
    port: ports.client,
    securePort: ports.secure,
    get pid() {
      return child?.pid;
    },
    start() {
      const output = openSync(log, "a");
      const args = [...options, "-cp", program.classPath, serverClass, join(start.folder, "zoo.cfg")];
      const started = spawn(program.java, args, {
        cwd: start.folder,
        detached: start.detached === true,
        stdio: ["ignore", output, output],
      });
      closeSync(output);
      child = started;
      const { pid } = started;
      if (pid !== undefined) start.guard?.watch(pid);
      started.on("error", () => undefined);
      started.once("exit", () => {
        if (pid !== undefined) start.guard?.forget(pid);
        if (child === started) child = undefined;
      });
      if (start.detached === true) started.unref();
    },
    async serving() {
      const endMs = performance.now() + servingMsMax;
      while ((await modeOf(ports.client)) === undefined) {
        if (child === undefined || performance.now() > endMs) {
          const end = readFileSync(log, "utf8").slice(-1_000);
          throw new Error(`a ZooKeeper server ${child === undefined ? "has ended" : "does not serve"}: ${end}`);
        }
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
    },
    mode: async () => modeOf(ports.client),
    sessions: async () => sessionsAt(ports.client),
    async kill() {
      const running = child;
      if (running === undefined) return;
      const ended = once(running, "exit");
      running.kill("SIGKILL");
      await ended;
    },
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
  };
}

export const zookeeperService: Service = {
  name: "zookeeper",
  variable: "FOGBANK_TEST_ZK",
  async start(folder) {
    const servers = await startEnsemble(await findZooKeeper(), { folder, detached: true });
    return {
      url: servers.map(({ port }) => `127.0.0.1:${port}`).join(","),
      pids: servers.flatMap(({ pid }) => (pid === undefined ? [] : [pid])),
    };
  },
};
