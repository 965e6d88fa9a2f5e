// How long a node's event loop is held up while its disk is slow: 20 ms more for every sync, under 5 000 messages a second.
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { payloadBytes, type BenchContext, type Benchmark, type Figures } from "../benchmark.ts";
import { until } from "../bench-tree.ts";
import { slowSyncEnvironment } from "../broker/slow-sync.ts";
import { createChain } from "./chain.ts";
import { guardedCase } from "./guarded-case.ts";

const perSecond = 5_000;
const syncDelaysMs = [0, 20];
const warmUpMs = 3_000;
const warmUpMsQuick = 300;
const writeMsMax = 5_000;
const probe = fileURLToPath(new URL("./loop-delay-probe.ts", import.meta.url));

export const loopBenchmark: Benchmark = {
  name: "loop",
  title: `event loop of a device at ${perSecond} msg/s, ${payloadBytes} B`,
  columns: [
    { key: "delayP50", heading: "delay p50 ms", digits: 2 },
    { key: "delayP99", heading: "p99 ms", digits: 2 },
    { key: "delayMax", heading: "max ms", digits: 1 },
    { key: "pingP99", heading: "ping p99 ms", digits: 2 },
    { key: "p50", heading: "ack p50 ms", digits: 2 },
    { key: "p99", heading: "p99 ms", digits: 2 },
    { key: "rate", heading: "msg/s", digits: 0 },
  ],
  cases: syncDelaysMs.map((delayMs) =>
    guardedCase(nameOf(delayMs), async (context, folder) => [
      { name: nameOf(delayMs), figures: await measure(context, folder, delayMs) },
    ]),
  ),
};

function nameOf(delayMs: number): string {
  return delayMs === 0 ? "syncs as they are" : `syncs + ${delayMs} ms`;
}

async function measure(context: BenchContext, folder: string, delayMs: number): Promise<Figures> {
  const { nodeDeps, generator, measureMs, isQuick } = context;
  const file = join(folder, "loop-delay.json");
  const slow = delayMs === 0 ? {} : await slowSyncEnvironment(folder, delayMs);
  const withProbe = { ...nodeDeps, nodeArguments: () => ["--import", probe] };
  await using chain = await createChain(withProbe, ["device"], () => ({
    folder,
    env: { ...slow, LOOP_DELAY_FILE: file },
  }));
  const device = chain.at("device");
  const { pid } = await device.start();
  const load = (ms: number) =>
    generator.load({
      port: device.node.mqttPort,
      flow: { publishers: 50, outstanding: 1000, payloadBytes, perSecond },
      until: { warmUpMs: 0, measureMs: ms },
      pings: true,
      pids: [],
    });
  await load(isQuick ? warmUpMsQuick : warmUpMs);
  await read(pid, file);
  const { measured, measuredMs, ackMs, pingMs } = await load(isQuick ? measureMs : Math.max(measureMs, writeMsMax));
  const delay = await read(pid, file);
  return {
    delayP50: delay.p50,
    delayP99: delay.p99,
    delayMax: delay.max,
    pingP99: pingMs?.p99 ?? Number.NaN,
    p50: ackMs.p50,
    p99: ackMs.p99,
    rate: (1000 * measured) / measuredMs,
  };
}

interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Since the last time. */
async function read(pid: number, file: string): Promise<LoopDelay> {
  await rm(file, { force: true });
  process.kill(pid, "SIGUSR2");
  let text = "";
  await until("the node has told its event-loop delay", writeMsMax, async () => {
    text = await readFile(file, "utf8").catch(() => "");
    return text.endsWith("}");
  });
  return JSON.parse(text) as LoopDelay; // written by the probe
}
