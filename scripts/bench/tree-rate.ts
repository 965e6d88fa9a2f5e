// How fast messages travel from a device over a fog to the cloud: the time ends when the last one can be read there.
import { inFreshFolder, payloadBytes, type Benchmark } from "./benchmark.ts";
import { checkAtCloud, readableAt, startBenchTree, treeLevels } from "./bench-tree.ts";
import { deliveryColumns, treeCpuColumns } from "./columns.ts";
import { startCpuMeter } from "./process-usage.ts";

const publishers = 50;
const outstanding = 20;
const arriveMsMax = 300_000;

export const treeRate: Benchmark = {
  name: "tree-rate",
  title: `device → fog → cloud, ${payloadBytes} B`,
  columns: [
    { key: "rate", heading: "msg/s", digits: 0 },
    { key: "messages", heading: "messages", digits: 0 },
    { key: "ackRate", heading: "acked/s", digits: 0 },
    { key: "lagMs", heading: "lag ms", digits: 0 },
    ...treeCpuColumns,
    ...deliveryColumns,
  ],
  cases: [
    {
      name: `${publishers} × ${outstanding}`,
      run: (context) =>
        inFreshFolder(context, async (folder) => {
          const { nodeDeps, generator, measureMs } = context;
          await using tree = await startBenchTree(nodeDeps, folder, false);
          const { device, cloud, starts } = tree;
          const meter = startCpuMeter([...treeLevels.map((level) => starts[level].pid), generator.pid]);
          const load = await generator.load({
            port: device.mqttPort,
            flow: { publishers, outstanding, payloadBytes },
            until: { warmUpMs: 0, measureMs },
            pids: [],
          });
          const endMs = await readableAt(cloud, device.name, load.published, arriveMsMax);
          const [deviceCpu = NaN, fogCpu = NaN, cloudCpu = NaN, generatorCpu = NaN] = meter();
          const figures = {
            rate: (1000 * load.published) / (endMs - load.firstAtMs),
            messages: load.published,
            ackRate: (1000 * load.published) / (load.lastAtMs - load.firstAtMs),
            lagMs: endMs - load.lastAtMs,
            deviceCpu,
            fogCpu,
            cloudCpu,
            generatorCpu,
            ...(await checkAtCloud(cloud, device.name, load.published)),
          };
          return [{ name: `${publishers} × ${outstanding}`, figures }];
        }),
    },
  ],
};
