// mosquitto_pub and mosquitto_sub: those that are installed, or Debian's packages unpacked into the temporary folder, without root.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { fetchDebianPackages } from "../../scripts/services/debian-packages.ts";
import { Arrivals, type ClientKind, type RealSubscriber } from "./real-client.ts";

export interface MosquittoTools {
  readonly pub: string;
  readonly sub: string;
  /** What they need to find their libraries. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What they need that a small system may not have; libc, libssl and libcrypto are expected. */
const packages = ["mosquitto-clients", "libmosquitto1", "libcjson1"];
const run = promisify(execFile);

/** The tools, or why there are none. */
export async function findMosquittoTools(): Promise<MosquittoTools | { readonly missing: string }> {
  const hasStdbuf = await run("stdbuf", ["--version"]).then(
    () => true,
    () => false,
  );
  if (!hasStdbuf) return { missing: "stdbuf (coreutils) is not here: mosquitto_sub keeps its lines to itself" };
  const installed = (process.env["PATH"] ?? "").split(delimiter).find((folder) => isTools(folder));
  if (installed !== undefined) return toolsIn(installed, process.env);
  try {
    const folder = join(tmpdir(), `fogbank-mosquitto-${process.getuid?.() ?? 0}`);
    const unpacked = join(folder, "root");
    if (!isTools(join(unpacked, "usr/bin"))) await fetchInto(folder);
    const libraries = readdirSync(join(unpacked, "usr/lib"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(unpacked, "usr/lib", name));
    const env = { ...process.env, LD_LIBRARY_PATH: libraries.join(delimiter) };
    const tools = toolsIn(join(unpacked, "usr/bin"), env);
    // Its help ends with code 1; a library that is missing ends it with 127.
    const code = await run(tools.sub, ["--help"], { env }).then(
      () => 0,
      (error: unknown) => (error instanceof Error && "code" in error ? error.code : undefined),
    );
    if (code === 0 || code === 1) return tools;
    return { missing: `mosquitto_sub was unpacked, and does not run here (${String(code)})` };
  } catch (error) {
    const why = error instanceof Error ? (error.message.split("\n", 1)[0] ?? "") : String(error);
    return { missing: `mosquitto_pub and mosquitto_sub are not installed, and could not be fetched: ${why}` };
  }
}

/** Elsewhere first: another test may look for them, or fetch them too, at the same time. */
async function fetchInto(folder: string): Promise<void> {
  const own = mkdtempSync(`${folder}-`);
  try {
    await fetchDebianPackages(own, packages);
    renameSync(own, folder);
  } catch (error) {
    rmSync(own, { recursive: true, force: true });
    if (!isTools(join(folder, "root/usr/bin"))) throw error;
  }
}

function isTools(folder: string): boolean {
  return existsSync(join(folder, "mosquitto_pub")) && existsSync(join(folder, "mosquitto_sub"));
}

function toolsIn(folder: string, env: MosquittoTools["env"]): MosquittoTools {
  return { pub: join(folder, "mosquitto_pub"), sub: join(folder, "mosquitto_sub"), env };
}

export function mosquittoClient(tools: MosquittoTools, version: 4 | 5): ClientKind {
  const protocol = version === 5 ? "mqttv5" : "mqttv311";
  const common = (port: number): readonly string[] => ["-h", "127.0.0.1", "-p", String(port), "-V", protocol];
  return {
    name: `mosquitto's tools, MQTT ${version === 5 ? "5" : "3.1.1"}`,
    version,
    qosMax: 2,
    leavesWithWill: version === 5,
    async publish(port, message) {
      const { topic, payload, qos, retain, expirySeconds } = message;
      const args = [...common(port), "-t", topic, "-q", String(qos), payload.length === 0 ? "-n" : "-s"];
      if (retain === true) args.push("-r");
      if (expirySeconds !== undefined) args.push("-D", "publish", "message-expiry-interval", String(expirySeconds));
      const child = spawn(tools.pub, args, { env: tools.env, stdio: ["pipe", "ignore", "pipe"] });
      child.stdin.on("error", () => {}); // without a payload it does not read
      child.stdin.end(payload);
      const [code] = (await once(child, "close")) as [number | null];
      if (code !== 0) throw new Error(`mosquitto_pub ended with code ${code}`);
    },
    subscribe(port, { clientId, filter, qos, sessionSeconds }) {
      const args = [...common(port), "-i", clientId, "-t", filter, "-q", String(qos)];
      if (sessionSeconds !== undefined) args.push("-c");
      if (sessionSeconds !== undefined && version === 5) args.push("-x", String(sessionSeconds));
      return started(tools, args);
    },
    connectWithWill(port, clientId, { topic, payload, qos, retain }) {
      const will = ["--will-topic", topic, "--will-payload", String(payload), "--will-qos", String(qos)];
      if (retain === true) will.push("--will-retain");
      return started(tools, [...common(port), "-i", clientId, "-t", `nothing/${clientId}`, ...will]);
    },
  };
}

/** Resolves when its subscription is confirmed. Each message is a line of its own, in hexadecimal digits; `stdbuf` lets lines out at once. */
async function started(tools: MosquittoTools, args: readonly string[]): Promise<RealSubscriber> {
  const child: ChildProcess = spawn("stdbuf", ["-oL", tools.sub, ...args, "-d", "-F", "MESSAGE %q %r %t %x"], {
    env: tools.env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const arrivals = new Arrivals();
  const subscribed = Promise.withResolvers<void>();
  const closed = once(child, "close");
  if (child.stdout !== null)
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.startsWith("Subscribed (")) subscribed.resolve();
      const message = /^MESSAGE (?<qos>[012]) (?<retain>[01]) (?<topic>\S+) ?(?<payload>[\da-f]*)$/.exec(line)?.groups;
      if (message === undefined || child.killed) return;
      arrivals.take({
        topic: message["topic"] ?? "",
        payload: Buffer.from(message["payload"] ?? "", "hex"),
        qos: Number(message["qos"]) as 0 | 1 | 2, // one of the three, by the pattern
        retain: message["retain"] === "1",
      });
    });
  void closed.then(() => subscribed.reject(new Error("mosquitto_sub ended before it was subscribed")));
  await subscribed.promise;
  // Its handler of SIGTERM writes: a line that it was just writing comes out twice, and is of no more interest.
  const end = async (signal: "SIGTERM" | "SIGKILL"): Promise<void> => {
    child.kill(signal);
    await closed;
  };
  return {
    received: arrivals.received,
    until: (count) => arrivals.until(count),
    leave: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
  };
}
