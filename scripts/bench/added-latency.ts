// How long a message takes to each level at a low rate: from the publish at the device to its arrival at a subscriber there.
import { inFreshFolder, payloadBytes, type Benchmark } from "./benchmark.ts";
import { startBenchTree, treeLevels } from "./bench-tree.ts";
import { deliveryColumns, latencyColumns } from "./columns.ts";

const perSecond = 100;
const warmUpMs = 2000;
const warmUpMsQuick = 500;

export const addedLatency: Benchmark = {
  name: "added-latency",
  title: `publish → seen, ${perSecond} msg/s, ${payloadBytes} B`,
  columns: [
    ...latencyColumns,
    { key: "nodeCpu", heading: "CPU of that node %", digits: 0 },
    { key: "generatorCpu", heading: "generator CPU %", digits: 0 },
    ...deliveryColumns,
  ],
  cases: [
    {
      name: "three levels",
      run: (context) =>
        inFreshFolder(context, async (folder) => {
          const { nodeDeps, generator, measureMs, isQuick } = context;
          await using tree = await startBenchTree(nodeDeps, folder, false);
          const { device, fog, cloud, starts } = tree;
          const filter = `/from/${device.name}/data/bench/#`;
          const report = await generator.trickle({
            port: device.mqttPort,
            perSecond,
            payloadBytes,
            warmUpMs: isQuick ? warmUpMsQuick : warmUpMs,
            measureMs,
            watch: [fog, cloud].map(({ mqttPort }) => ({ port: mqttPort, filter })),
            pids: treeLevels.map((level) => starts[level].pid),
          });
          const { ackMs, arrivals, cpu, generatorCpu } = report;
          const seen = arrivals.map(({ arrivalMs, ...counts }, i) => ({
            name: i === 0 ? "/from/… at the fog" : "/from/… at the cloud",
            figures: { ...arrivalMs, ...counts, nodeCpu: cpu[i + 1] ?? Number.NaN, generatorCpu },
          }));
          const acked = { ...ackMs, nodeCpu: cpu[0] ?? Number.NaN, generatorCpu };
          return [{ name: "PUBACK of the device", figures: acked }, ...seen];
        }),
    },
  ],
};
