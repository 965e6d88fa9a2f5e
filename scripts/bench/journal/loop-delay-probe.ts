// Loaded into a node with `--import`, together with LOOP_DELAY_FILE: at each SIGUSR2 the main thread writes the p50 and p99 of its
// event-loop delay since the last one into that file, as JSON in milliseconds.
import { writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { isMainThread } from "node:worker_threads";

const resolutionMs = 1;
const file = process.env["LOOP_DELAY_FILE"];

if (isMainThread && file !== undefined) {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  // What is measured is the time between two timers: the delay is what it is longer than that.
  const delayMs = (percent: number): number => Math.max(0, histogram.percentile(percent) / 1e6 - resolutionMs);
  process.on("SIGUSR2", () => {
    writeFileSync(file, JSON.stringify({ p50: delayMs(50), p99: delayMs(99), max: delayMs(100) }));
    histogram.reset();
  });
}
