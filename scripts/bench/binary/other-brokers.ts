// Mosquitto, NATS and plain aedes as they are compared with the single binary.
import { spawnSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { aedes } from "../broker/aedes.ts";
import { mosquitto } from "../broker/mosquitto.ts";
import { findNatsServer } from "../journal/nats-leaf.ts";
import { startMeasuredProcess, type ProcessPlan } from "../measured-process.ts";
import { cpuMs } from "../process-usage.ts";
import type { BenchNodeDeps } from "../bench-node.ts";
import { passedOn, type Contender, type ContenderProcess } from "./contender.ts";

const aedesServer = fileURLToPath(new URL("../broker/aedes-server.ts", import.meta.url));

/** Those that are here or can be fetched; `tell` hears of the others. */
export async function otherBrokers(tell: (text: string) => void): Promise<readonly Contender[]> {
  const found = [mosquittoContender(), await natsContender(tell), aedesContender()];
  if (found[0] === undefined) tell("Mosquitto is not installed: going on without it");
  return found.filter((contender) => contender !== undefined);
}

function mosquittoContender(): Contender | undefined {
  const description = mosquitto.describe();
  if (description === undefined) return undefined;
  return {
    name: "Mosquitto",
    description,
    load: passedOn,
    async start(deps, folder) {
      const broker = await mosquitto.start(deps, { folder, isAclOn: false });
      return { ...broker, readyCpuMs: cpuMs(broker.pid) };
    },
  };
}

async function natsContender(tell: (text: string) => void): Promise<Contender | undefined> {
  try {
    const command = await findNatsServer();
    const { stdout } = spawnSync(command, ["--version"], { encoding: "utf8" });
    return {
      name: "NATS server",
      description: `${stdout.trim()}, by MQTT: it needs JetStream for that, and stores what is QoS 1 in files, without a sync`,
      load: passedOn,
      start: (deps, folder) => startNats(command, deps, folder),
    };
  } catch (error) {
    tell(`nats-server is not installed, and could not be fetched (${String(error)}): going on without it`);
    return undefined;
  }
}

async function startNats(command: string, deps: BenchNodeDeps, folder: string): Promise<ContenderProcess> {
  const [port, ownPort] = [await deps.pickPort(), await deps.pickPort()];
  const configFile = join(folder, "nats.conf");
  const lines = [
    "server_name: bench",
    `listen: "127.0.0.1:${ownPort}"`,
    `jetstream { store_dir: ${JSON.stringify(join(folder, "nats"))} }`,
    `mqtt { host: "127.0.0.1", port: ${port} }`,
  ];
  await writeFile(configFile, `${lines.join("\n")}\n`);
  const logFile = join(folder, "nats.log");
  return started(deps, port, { name: "nats", command, args: ["-c", configFile, "-l", logFile], logFile, ready: port });
}

/** On a copy of this Node: pages that it shared with the benchmark would be counted as half. */
function aedesContender(): Contender {
  return {
    name: "plain aedes",
    description: `${aedes.describe() ?? ""}, on Node ${process.versions.node}`,
    load: passedOn,
    async start(deps, folder) {
      const port = await deps.pickPort();
      const command = join(folder, "node");
      copyFileSync(process.execPath, command);
      const logFile = join(folder, "aedes.log");
      return started(deps, port, { name: "aedes", command, args: [aedesServer, String(port)], logFile, ready: "line" });
    },
  };
}

async function started({ guard }: BenchNodeDeps, port: number, plan: ProcessPlan): Promise<ContenderProcess> {
  const running = await startMeasuredProcess(guard, plan);
  const { pid, cpuMs: readyCpuMs } = running.start;
  return { pid, port, readyCpuMs, [Symbol.asyncDispose]: () => running.end("SIGTERM") };
}
