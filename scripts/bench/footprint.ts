// What a node costs before anybody uses it: time and processor time to READY, memory when idle. Configured as by default, so the
// device measures its machine once a second.
import { setTimeout as sleep } from "node:timers/promises";
import { inFreshFolder, type Benchmark } from "./benchmark.ts";
import { startBenchTree, treeLevels } from "./bench-tree.ts";
import { memoryMib, startCpuMeter } from "./process-usage.ts";

const settleMs = 5000;
const settleMsQuick = 500;

export const footprint: Benchmark = {
  name: "footprint",
  title: "idle, linked to its tree",
  columns: [
    { key: "residentMib", heading: "RSS MiB", digits: 1 },
    { key: "anonymousMib", heading: "of it anonymous MiB", digits: 1 },
    { key: "cpuMs", heading: "CPU to READY ms", digits: 0 },
    { key: "wallMs", heading: "time to READY ms", digits: 0 },
    { key: "idleCpu", heading: "idle CPU %", digits: 1 },
  ],
  cases: [
    {
      name: "three levels",
      run: (context) =>
        inFreshFolder(context, async (folder) => {
          await using tree = await startBenchTree(context.nodeDeps, folder, true);
          const { starts } = tree;
          const meter = startCpuMeter(treeLevels.map((level) => starts[level].pid));
          await sleep(context.isQuick ? settleMsQuick : settleMs);
          const idleCpu = meter();
          return treeLevels.map((level, i) => {
            const { pid, cpuMs, wallMs } = starts[level];
            const { resident, anonymous } = memoryMib(pid);
            const figures = { residentMib: resident, anonymousMib: anonymous, cpuMs, wallMs };
            return { name: level, figures: { ...figures, idleCpu: idleCpu[i] ?? Number.NaN } };
          });
        }),
    },
  ],
};
