// How fast a backlog reaches the cloud after an outage: the fog is killed, the device collects, the fog starts again.
import { inFreshFolder, payloadBytes, type Benchmark } from "./benchmark.ts";
import { checkAtCloud, readableAt, startBenchTree } from "./bench-tree.ts";
import { deliveryColumns, treeCpuColumns } from "./columns.ts";
import { monotonicMs, startCpuMeter } from "./process-usage.ts";

const backlog = 50_000;
const backlogQuick = 3_000;
const arriveMsMax = 300_000;

export const catchUp: Benchmark = {
  name: "catch-up",
  title: `fog READY → readable at the cloud, ${payloadBytes} B`,
  columns: [
    { key: "messages", heading: "backlog", digits: 0 },
    { key: "outageMs", heading: "outage ms", digits: 0 },
    { key: "firstMs", heading: "first readable ms", digits: 0 },
    { key: "lastMs", heading: "last readable ms", digits: 0 },
    { key: "rate", heading: "msg/s", digits: 0 },
    ...treeCpuColumns,
    ...deliveryColumns,
  ],
  cases: [
    {
      name: "device → fog → cloud",
      run: (context) =>
        inFreshFolder(context, async (folder) => {
          const { nodeDeps, generator, isQuick } = context;
          await using tree = await startBenchTree(nodeDeps, folder, false);
          const { device, fog, cloud, starts } = tree;
          const messages = isQuick ? backlogQuick : backlog;
          const cutAtMs = monotonicMs();
          await fog.kill();
          const load = await generator.load({
            port: device.mqttPort,
            flow: { publishers: 50, outstanding: 20, payloadBytes },
            until: { messages },
            pids: [],
          });
          const { pid, readyAtMs } = await fog.start();
          const meter = startCpuMeter([starts.device.pid, pid, starts.cloud.pid]);
          const firstAtMs = await readableAt(cloud, device.name, 1, arriveMsMax);
          const lastAtMs = await readableAt(cloud, device.name, load.published, arriveMsMax);
          const [deviceCpu = NaN, fogCpu = NaN, cloudCpu = NaN] = meter();
          const figures = {
            messages: load.published,
            outageMs: readyAtMs - cutAtMs,
            firstMs: firstAtMs - readyAtMs,
            lastMs: lastAtMs - readyAtMs,
            rate: (1000 * load.published) / (lastAtMs - firstAtMs),
            deviceCpu,
            fogCpu,
            cloudCpu,
            generatorCpu: load.generatorCpu,
            ...(await checkAtCloud(cloud, device.name, load.published)),
          };
          return [{ name: "device → fog → cloud", figures }];
        }),
    },
  ],
};
