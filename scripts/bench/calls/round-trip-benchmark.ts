// A command from the cloud to one device and its result back, at 100 a second: over three levels of Fogbank, and by hand over bridged Mosquittos.
import { existsSync } from "node:fs";
import {
  inFreshFolder,
  type BenchCase,
  type BenchContext,
  type Benchmark,
  type BenchRow,
  type Figures,
} from "../benchmark.ts";
import { startBenchTree } from "../bench-tree.ts";
import { latencyColumns } from "../columns.ts";
import { cpuMs } from "../process-usage.ts";
import { connectBenchClient } from "./bench-client.ts";
import { startCaller } from "./caller.ts";
import { startHandmadeCalls } from "./handmade-calls.ts";
import { pacedCalls, type OneCall } from "./paced-calls.ts";

const callsPerSecond = 100;
export const onDisk = "Fogbank, a function of the device";
export const byHand = "Mosquitto, two brokers";
const inMemory = "/dev/shm";

interface Variant {
  readonly name: string;
  readonly mode: "async" | "sync";
  /** A program at the device answers, not the node itself. */
  readonly hasProgram: boolean;
  readonly isInMemory: boolean;
}

const variants: readonly Variant[] = [
  { name: onDisk, mode: "async", hasProgram: false, isInMemory: false },
  { name: "Fogbank, a program at the device", mode: "async", hasProgram: true, isInMemory: false },
  { name: "Fogbank, sync: no record before the run", mode: "sync", hasProgram: false, isInMemory: false },
  { name: "Fogbank, all data in memory: no disk", mode: "async", hasProgram: false, isInMemory: true },
];

/** `mosquitto`: where the program is, if it is installed. */
export function roundTripBenchmark(mosquitto: string | undefined): Benchmark {
  const byHands: readonly BenchCase[] =
    mosquitto === undefined
      ? []
      : [
          handmadeCase(byHand, mosquitto, 2, 1),
          handmadeCase("Mosquitto, three brokers", mosquitto, 3, 1),
          handmadeCase("Mosquitto, three brokers, QoS 0", mosquitto, 3, 0),
        ];
  return {
    name: "command",
    title: `cloud → device → result at the cloud, ${callsPerSecond} a second`,
    columns: [
      ...latencyColumns,
      { key: "calls", heading: "calls", digits: 0 },
      { key: "unanswered", heading: "not done", digits: 0 },
      { key: "cpu", heading: "CPU % of all nodes", digits: 0 },
    ],
    cases: [...variants.filter(({ isInMemory }) => !isInMemory || existsSync(inMemory)).map(fogbankCase), ...byHands],
  };
}

function fogbankCase({ name, mode, hasProgram, isInMemory }: Variant): BenchCase {
  return {
    name,
    run: (context) =>
      inFreshFolder(isInMemory ? { ...context, folder: inMemory } : context, async (folder) => {
        await using tree = await startBenchTree(context.nodeDeps, folder, false);
        await using program = hasProgram ? await startProgram(tree.device.mqttPort) : undefined;
        await using caller = await startCaller(tree.cloud.mqttPort);
        const body = { if: "level == 'device'", ttl: 10, mode };
        const functionName = program === undefined ? "ping" : blink;
        const call: OneCall = async () => {
          const { reply, atMs } = await caller.call(functionName, body).ended;
          return { atMs, isDone: reply.counts?.["matched"] === 1 && reply.counts["done"] === 1 };
        };
        const pids = Object.values(tree.starts).map(({ pid }) => pid);
        return await measured(name, context, call, pids);
      }),
  };
}

function handmadeCase(name: string, command: string, brokers: number, qos: 0 | 1): BenchCase {
  return {
    name,
    run: (context) =>
      inFreshFolder(context, async (folder) => {
        await using calls = await startHandmadeCalls(context.nodeDeps, { command, folder, brokers, qos });
        return await measured(name, context, calls.call, calls.pids);
      }),
  };
}

async function measured(
  name: string,
  { measureMs }: BenchContext,
  call: OneCall,
  pids: readonly number[],
): Promise<readonly BenchRow[]> {
  const busyMs = (): number => pids.reduce((sum, pid) => sum + cpuMs(pid), 0);
  const before = busyMs();
  const startMs = Date.now();
  const figures: Figures = await pacedCalls(call, callsPerSecond, measureMs);
  const cpu = ((busyMs() - before) * 100) / (Date.now() - startMs);
  return [{ name, figures: { ...figures, cpu } }];
}

const blink = "blink";
const utf8 = new TextDecoder();

/** Subscribes to the function at that node, and answers. */
async function startProgram(port: number): Promise<AsyncDisposable> {
  const client = await connectBenchClient(port, "bench-program");
  client.on("message", (_topic, payload) => {
    const { reply } = JSON.parse(utf8.decode(payload)) as { readonly reply: string };
    client.publish(reply, '{"result":true}', { qos: 0 });
  });
  await client.subscribeAsync(`/machine/functions/${blink}`, { qos: 0 });
  return { [Symbol.asyncDispose]: () => client.endAsync(true) };
}
