// What a large backlog costs a device: memory and time to start with it, and the time to get rid of it.
import { setTimeout as sleep } from "node:timers/promises";
import { payloadBytes, type BenchContext, type Benchmark, type BenchRow } from "../benchmark.ts";
import { deliveryColumns } from "../columns.ts";
import { memoryMib, peakMib } from "../process-usage.ts";
import { rateSince, watchArrival } from "./arrival-watch.ts";
import { createChain, type ChainLink } from "./chain.ts";
import { guardedCase } from "./guarded-case.ts";
import { countArrived, readBack } from "./stored-messages.ts";

const backlog = 1_000_000;
const backlogQuick = 5_000;
/** A day at 100 messages a second. */
const dayMessages = 8_640_000;
const settleMs = 3_000;
const settleMsQuick = 200;
/** On disk, of one message with everything around it, generously. */
const bytesPerMessage = 512;
const msPerMinute = 60_000;

/** `isFull`: with the backlog of a whole day instead of a part of it. */
export function backlogBenchmark(isFull: boolean): Benchmark {
  return {
    name: "backlog",
    title: `a device with a backlog, ${payloadBytes} B`,
    columns: [
      { key: "messages", heading: "backlog", digits: 0 },
      { key: "wallMs", heading: "READY ms", digits: 0 },
      { key: "residentMib", heading: "RSS MiB", digits: 1 },
      { key: "anonymousMib", heading: "anonymous", digits: 1 },
      { key: "moreMib", heading: "more than idle", digits: 1 },
      { key: "peakMib", heading: "RSS max", digits: 1 },
      { key: "rate", heading: "drained msg/s", digits: 0 },
      { key: "dayMinutes", heading: "minutes for 24 h", digits: 1 },
      ...deliveryColumns,
    ],
    cases: [guardedCase("idle, full, drained", (context, folder) => measure(context, folder, isFull))],
  };
}

async function measure(context: BenchContext, folder: string, isFull: boolean): Promise<readonly BenchRow[]> {
  const { nodeDeps, generator, isQuick } = context;
  const messages = isQuick ? backlogQuick : isFull ? dayMessages : backlog;
  const settings = [`journal: { max-bytes = ${2 ** 30 + messages * bytesPerMessage}L; };`];
  await using chain = await createChain(nodeDeps, ["cloud", "device"], () => ({ folder, settings }));
  const [cloud, device] = [chain.at("cloud"), chain.at("device")];
  await device.start();
  const idle = await settledMemory(device, isQuick);
  const load = await generator.load({
    port: device.node.mqttPort,
    flow: { publishers: 50, outstanding: 20, payloadBytes },
    until: { messages },
    pids: [],
  });
  const loaded = await settledMemory(device, isQuick);
  await device.node.stop();
  const { wallMs } = await device.start();
  const full = await settledMemory(device, isQuick);
  const { readyAtMs } = await cloud.start();
  const { readable } = await watchArrival(load.published, () => countArrived(cloud.node.httpPort, device.node.name));
  const rate = readable === undefined ? Number.NaN : rateSince(readable, readyAtMs);
  const drained = {
    messages: load.published,
    ...(await settledMemory(device, isQuick)),
    peakMib: peakMib(device.started().pid),
    rate,
    dayMinutes: (1000 * dayMessages) / rate / msPerMinute,
    ...(await readBack(cloud.node.httpPort, device.node.name, load.published)),
  };
  const more = (memory: Memory): { readonly moreMib: number } => ({ moreMib: memory.residentMib - idle.residentMib });
  return [
    { name: "idle", figures: { messages: 0, ...idle } },
    { name: "after the load", figures: { messages: load.published, ...loaded, ...more(loaded) } },
    { name: "started with it", figures: { messages: load.published, wallMs, ...full, ...more(full) } },
    { name: "drained", figures: { ...drained, ...more(drained) } },
  ];
}

type Memory = { readonly residentMib: number; readonly anonymousMib: number };

async function settledMemory(device: ChainLink, isQuick: boolean): Promise<Memory> {
  await sleep(isQuick ? settleMsQuick : settleMs);
  const { resident, anonymous } = memoryMib(device.started().pid);
  return { residentMib: resident, anonymousMib: anonymous };
}
