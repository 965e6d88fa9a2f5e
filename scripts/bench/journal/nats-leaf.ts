// A NATS leaf node and its hub: a stream of the leaf takes what is published, a stream of the hub has it as its source. Published by
// NATS's own protocol, each message acknowledged by the leaf's stream: over MQTT the server would store it twice.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { BenchContext } from "../benchmark.ts";
import { until } from "../bench-tree.ts";
import { startMeasuredProcess, type MeasuredProcess, type ProcessStart } from "../measured-process.ts";
import { readStamp } from "../payload-stamp.ts";
import { SequenceTally } from "../sequence-tally.ts";
import { fetchDebianPackages } from "../../services/debian-packages.ts";
import type { ForwardSystem, MissingSystem, RunningSystem } from "./forward-system.ts";
import { openNats, type NatsConnection } from "./nats-connection.ts";
import { publishToStream } from "./nats-publisher.ts";

const unpackedServer = "usr/sbin/nats-server";
const linkMsMax = 30_000;
const readMsMax = 30_000;
/** Of one try of a question that is asked again. */
const tryMs = 500;
const leafStream = "UP";
const hubStream = "ALL";
const subject = "data.bench";

/** The server that is installed, or Debian's, fetched for this. */
export async function findNats(): Promise<readonly ForwardSystem[] | MissingSystem> {
  try {
    const command = await findNatsServer();
    const { stdout } = spawnSync(command, ["--version"], { encoding: "utf8" });
    return [
      {
        name: "NATS",
        description: `NATS: ${stdout.trim()}, leaf node and hub, JetStream in files, their defaults, published by NATS's own protocol`,
        start: (context, folder) => startNats(command, context, folder),
      },
    ];
  } catch (error) {
    const why = error instanceof Error ? (error.message.split("\n", 1)[0] ?? "") : String(error);
    return { missing: `nats-server is not installed, and could not be fetched: ${why}` };
  }
}

/** That file. Rejects when there is none, and none can be fetched. */
export async function findNatsServer(): Promise<string> {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  const installed = folders.map((folder) => join(folder, "nats-server")).find((path) => existsSync(path));
  if (installed !== undefined) return installed;
  const folder = join(tmpdir(), `fogbank-nats-${process.getuid?.() ?? 0}`);
  const unpacked = join(folder, "root", unpackedServer);
  if (existsSync(unpacked)) return unpacked;
  mkdirSync(folder, { recursive: true });
  return join(await fetchDebianPackages(folder, ["nats-server"]), unpackedServer);
}

async function startNats(command: string, { nodeDeps }: BenchContext, folder: string): Promise<RunningSystem> {
  await using stack = new AsyncDisposableStack();
  const linkPort = await nodeDeps.pickPort();
  const hub = await createServer("hub", `leafnodes { listen: "127.0.0.1:${linkPort}" }`);
  const leaf = await createServer("leaf", `leafnodes { remotes: [ { url: "nats://127.0.0.1:${linkPort}" } ] }`);
  await hub.start();
  await leaf.start();
  let atHub = await link();
  const before = await storedAt(atHub);
  stack.defer(() => atHub.close());
  const owned = stack.move();
  return {
    stopParent: () => hub.end("SIGKILL"),
    async startParent() {
      const { readyAtMs } = await hub.start();
      atHub = await openNats(hub.port);
      return readyAtMs;
    },
    async restartChild() {
      await leaf.end("SIGKILL");
      await leaf.start();
    },
    publish: (load) => publishToStream(leaf.port, subject, load),
    settled: () => Promise.resolve(),
    arrived: async () => ({ readable: (await storedAt(atHub)) - before }),
    async verdict(published) {
      const tally = await readStream(hub.port, await storedAt(atHub));
      return { lost: tally.lostOf(published), duplicates: tally.duplicates, overtaken: tally.overtaken };
    },
    pids: () => ({ child: leaf.pid(), parent: hub.pid() }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };

  async function createServer(name: string, role: string) {
    const port = await nodeDeps.pickPort();
    const configFile = join(folder, `${name}.conf`);
    const lines = [
      `server_name: ${name}`,
      `listen: "127.0.0.1:${port}"`,
      `jetstream { store_dir: ${JSON.stringify(join(folder, name))}, domain: ${name} }`,
      role,
    ];
    await writeFile(configFile, `${lines.join("\n")}\n`);
    let running: MeasuredProcess | undefined;
    const start = async (): Promise<ProcessStart> => {
      const logFile = join(folder, `${name}.log`);
      running = await startMeasuredProcess(nodeDeps.guard, {
        name: `nats-${name}`,
        command,
        args: ["-c", configFile, "-l", logFile],
        logFile,
        ready: port,
      });
      return running.start;
    };
    const end = async (signal: "SIGTERM" | "SIGKILL"): Promise<void> => running?.end(signal);
    stack.defer(() => end("SIGKILL"));
    return { port, start, end, pid: () => running?.start.pid ?? 0 };
  }

  /** Makes the two streams, and waits until something that is none of the load's has come through. */
  async function link(): Promise<NatsConnection> {
    const toHub = await openNats(hub.port);
    const toLeaf = await openNats(leaf.port);
    await until("the hub reaches the leaf", linkMsMax, () => answers(toHub, "$JS.leaf.API.INFO"));
    await toLeaf.request(`$JS.API.STREAM.CREATE.${leafStream}`, {
      name: leafStream,
      subjects: [`${subject}.>`],
      storage: "file",
    });
    const source = { name: leafStream, external: { api: "$JS.leaf.API", deliver: "" } };
    await toHub.request(`$JS.API.STREAM.CREATE.${hubStream}`, { name: hubStream, storage: "file", sources: [source] });
    await toLeaf.request(`${subject}.greeting`, "hello");
    await until("the hub's stream follows the leaf's", linkMsMax, async () => (await storedAt(toHub)) > 0);
    toLeaf.close();
    return toHub;
  }
}

async function answers(connection: NatsConnection, question: string): Promise<boolean> {
  return connection.request(question, {}, tryMs).then(
    () => true,
    () => false,
  );
}

/** Messages in the hub's stream. */
async function storedAt(connection: NatsConnection): Promise<number> {
  const info = await connection.request(`$JS.API.STREAM.INFO.${hubStream}`, {});
  const { state } = info as { readonly state?: { readonly messages?: number } };
  return state?.messages ?? 0;
}

/** Reads the hub's stream from its beginning, in its order. */
async function readStream(port: number, messages: number): Promise<SequenceTally> {
  const connection = await openNats(port);
  const tally = new SequenceTally();
  let read = 0;
  const done = Promise.withResolvers<void>();
  const inbox = `_INBOX.read${process.pid}`;
  connection.subscribe(inbox, (payload) => {
    const { publisher, number } = readStamp(payload, 0);
    tally.note(publisher, number);
    if (++read === messages) done.resolve();
  });
  const config = { deliver_subject: inbox, ack_policy: "none", deliver_policy: "all", replay_policy: "instant" };
  await connection.request(`$JS.API.CONSUMER.CREATE.${hubStream}`, { stream_name: hubStream, config });
  const late = setTimeout(
    () => done.reject(new Error(`only ${read} of ${messages} messages could be read`)),
    readMsMax,
  );
  try {
    if (messages > 0) await Promise.race([done.promise, connection.lost]);
  } finally {
    clearTimeout(late);
    connection.close();
  }
  return tally;
}
