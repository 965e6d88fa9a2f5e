// The same done by hand: a chain of Mosquittos with bridges, a request topic that goes down and a reply topic that goes up, a program
// at the lowest one that answers, one at the highest that asks. No conditions, no counts, no record of what was run.
import { mkdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BenchNodeDeps } from "../bench-node.ts";
import { until } from "../bench-tree.ts";
import { startMeasuredProcess } from "../measured-process.ts";
import { monotonicMs } from "../process-usage.ts";
import { connectBenchClient } from "./bench-client.ts";
import type { OneCall } from "./paced-calls.ts";

export interface HandmadePlan {
  readonly command: string;
  readonly folder: string;
  /** From the cloud down to the device. */
  readonly brokers: number;
  readonly qos: 0 | 1;
}

export interface HandmadeCalls extends AsyncDisposable {
  readonly call: OneCall;
  readonly pids: readonly number[];
}

const requests = "req/device-1";
const replies = "rep/device-1";
const linkMsMax = 30_000;
const answerMsMax = 10_000;

export async function startHandmadeCalls(deps: BenchNodeDeps, plan: HandmadePlan): Promise<HandmadeCalls> {
  await using stack = new AsyncDisposableStack();
  const pids: number[] = [];
  const ports: number[] = [];
  for (let level = 0; level < plan.brokers; level++) {
    const port = await deps.pickPort();
    pids.push(await startBroker(deps, plan, stack, { name: `mosquitto-${level}`, port, parentPort: ports.at(-1) }));
    ports.push(port);
  }
  const device = stack.adopt(await connectBenchClient(ports.at(-1) ?? 0, "device"), (client) => client.endAsync(true));
  device.on("message", (_topic, payload) => device.publish(replies, payload, { qos: plan.qos }));
  await device.subscribeAsync(requests, { qos: plan.qos });
  const cloud = stack.adopt(await connectBenchClient(ports[0] ?? 0, "cloud"), (client) => client.endAsync(true));
  const waiting = new Map<string, (atMs: number) => void>();
  cloud.on("message", (_topic, payload) => {
    const id = String(payload);
    waiting.get(id)?.(monotonicMs());
    waiting.delete(id);
  });
  await cloud.subscribeAsync(replies, { qos: plan.qos });
  let calls = 0;
  const call: OneCall = () => {
    const id = String(++calls);
    const answered = Promise.withResolvers<{ readonly atMs: number; readonly isDone: boolean }>();
    const late = setTimeout(() => answered.resolve({ atMs: monotonicMs(), isDone: false }), answerMsMax);
    waiting.set(id, (atMs) => {
      clearTimeout(late);
      answered.resolve({ atMs, isDone: true });
    });
    cloud.publish(requests, id, { qos: plan.qos });
    return answered.promise;
  };
  let isLinked = false;
  await until("the bridges carry a request and its reply", linkMsMax, async () => {
    void call().then(({ isDone }) => (isLinked ||= isDone));
    return isLinked;
  });
  const owned = stack.move();
  return { call, pids, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Answers its process. */
async function startBroker(
  { guard }: BenchNodeDeps,
  { command, folder, qos }: HandmadePlan,
  stack: AsyncDisposableStack,
  { name, port, parentPort }: { readonly name: string; readonly port: number; readonly parentPort: number | undefined },
): Promise<number> {
  const store = join(folder, name);
  mkdirSync(store, { recursive: true });
  const configFile = join(folder, `${name}.conf`);
  const bridge =
    parentPort === undefined
      ? []
      : [
          "connection up",
          `address 127.0.0.1:${parentPort}`,
          `topic ${requests} in ${qos}`,
          `topic ${replies} out ${qos}`,
        ];
  const lines = [
    `listener ${port} 127.0.0.1`,
    "allow_anonymous true",
    "user root",
    "persistence true",
    `persistence_location ${store}/`,
    "set_tcp_nodelay true",
    "log_dest stderr",
    ...bridge,
  ];
  await writeFile(configFile, `${lines.join("\n")}\n`);
  const logFile = join(folder, `${name}.log`);
  const broker = await startMeasuredProcess(guard, { name, command, args: ["-c", configFile], logFile, ready: port });
  stack.defer(() => broker.end("SIGKILL"));
  return broker.start.pid;
}
