// How many QoS 1 publishes per second one node makes durable and acknowledges, and how long a publisher waits for it.
import { fetchLedger } from "../demo/node-api.ts";
import { createBenchNode } from "./bench-node.ts";
import { measureDiskSync } from "./disk-sync.ts";
import { inFreshFolder, payloadBytes, type BenchCase, type Benchmark } from "./benchmark.ts";
import { nodeCpuColumns } from "./columns.ts";

/** Just before each run, in the same folder: others use the disk too. */
const syncs = 200;
const warmUpMs = 2000;
const warmUpMsQuick = 300;

export const durableAppends: Benchmark = {
  name: "durable-appends",
  title: `durable QoS 1, one device, ${payloadBytes} B`,
  columns: [
    { key: "rate", heading: "msg/s", digits: 0 },
    { key: "p50", heading: "ack p50 ms", digits: 2 },
    { key: "p90", heading: "p90 ms", digits: 2 },
    { key: "p99", heading: "p99 ms", digits: 2 },
    { key: "syncP50", heading: "sync p50 ms", digits: 2 },
    { key: "syncP99", heading: "p99 ms", digits: 2 },
    ...nodeCpuColumns,
    { key: "unstored", heading: "acked, not stored", digits: 0 },
  ],
  cases: [load(1, 1), load(1, 20), load(50, 20)],
};

function load(publishers: number, outstanding: number): BenchCase {
  const name = `${publishers} × ${outstanding}`;
  return {
    name,
    run: (context) =>
      inFreshFolder(context, async (folder) => {
        const { nodeDeps, generator, measureMs, isQuick } = context;
        const plan = { folder, level: "device", uplinkPort: undefined, measuresHost: false } as const;
        await using node = await createBenchNode(nodeDeps, plan);
        const disk = measureDiskSync(folder, syncs);
        const { pid } = await node.start();
        const report = await generator.load({
          port: node.mqttPort,
          flow: { publishers, outstanding, payloadBytes },
          until: { warmUpMs: isQuick ? warmUpMsQuick : warmUpMs, measureMs },
          pids: [pid],
        });
        const ledger = await fetchLedger(node.httpPort, node.name);
        const given = ledger.reduce((total, { next }) => total + next - 1, 0);
        const figures = {
          rate: (1000 * report.measured) / report.measuredMs,
          ...report.ackMs,
          syncP50: disk.p50Ms,
          syncP99: disk.p99Ms,
          nodeCpu: report.cpu[0] ?? Number.NaN,
          generatorCpu: report.generatorCpu,
          unstored: Math.max(0, report.published - given),
        };
        return [{ name, figures }];
      }),
  };
}
