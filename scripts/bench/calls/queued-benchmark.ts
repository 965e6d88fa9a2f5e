// Calls for devices that are away: they wait at the fog, which is killed -9, and run once each when the devices are back.
import { setTimeout as sleep } from "node:timers/promises";
import { fetchStatus } from "../../demo/node-api.ts";
import { inFreshFolder, type Benchmark } from "../benchmark.ts";
import { until } from "../bench-tree.ts";
import { monotonicMs } from "../process-usage.ts";
import { startCaller, type OpenCall } from "./caller.ts";
import { startHollowTree } from "./hollow-tree.ts";

const devicesFull = 1_000;
const devicesQuick = 50;
const ttlSeconds = 600;
const waitMsMax = 120_000;
/** Calls under way towards the fog at once while they are queued. */
const atOnce = 100;
const fogName = "bench-fog-1";

export function queuedBenchmark(isQuick: boolean): Benchmark {
  const devices = isQuick ? devicesQuick : devicesFull;
  const name = `${devices.toLocaleString("en-US")} calls for as many devices`;
  return {
    name: "queued",
    title: "calls that wait at a fog, which is killed -9",
    columns: [
      { key: "queuedMs", heading: "all waiting after ms", digits: 0 },
      { key: "readyMs", heading: "fog READY after ms", digits: 0 },
      { key: "backMs", heading: "devices back → all done ms", digits: 0 },
      { key: "done", heading: "done", digits: 0 },
      { key: "ran", heading: "runs", digits: 0 },
      { key: "envelopes", heading: "envelopes to the devices", digits: 0 },
      { key: "unanswered", heading: "not done", digits: 0 },
    ],
    cases: [
      {
        name,
        run: (context) =>
          inFreshFolder(context, async (folder) => {
            await using tree = await startHollowTree(context.nodeDeps, folder, 1);
            const [fog] = tree.fogs;
            if (fog === undefined) throw new Error("there is no fog");
            await (await tree.startDevices(devices, 0)).kill();
            await until("the devices are lost", waitMsMax, async () => {
              const { below } = await fetchStatus(fog.httpPort);
              return below.every(({ state }) => state !== "online");
            });
            await using caller = await startCaller(tree.cloud.mqttPort);
            const startMs = monotonicMs();
            const calls: OpenCall[] = [];
            const isWaiting = (call: OpenCall): boolean =>
              call.last()?.waiting.some(({ at }) => at === fogName) === true;
            for (let number = 1; number <= devices; number++) {
              calls.push(caller.call("ping", { if: `name == 'h-${number}'`, ttl: ttlSeconds }));
              const behind = calls[number - atOnce];
              if (behind !== undefined)
                await until("a call waits at the fog", waitMsMax, () => Promise.resolve(isWaiting(behind)));
            }
            await until("all calls wait at the fog", waitMsMax, () => Promise.resolve(calls.every(isWaiting)));
            const queuedMs = monotonicMs() - startMs;
            await fog.kill();
            const { wallMs: readyMs } = await fog.start();
            const returnMs = monotonicMs();
            const hollow = await tree.startDevices(devices, 0);
            const ends = await Promise.all(
              calls.map(({ ended }) => Promise.race([ended, sleep(waitMsMax, undefined, { ref: false })])),
            );
            const done = ends.filter((end) => end?.reply.counts?.["done"] === 1).length;
            const backMs = Math.max(...ends.map((end) => end?.atMs ?? Number.POSITIVE_INFINITY)) - returnMs;
            const { ran, callFramesIn: envelopes } = await hollow.counts();
            const figures = { queuedMs, readyMs, backMs, done, ran, envelopes, unanswered: devices - done };
            return [{ name, figures }];
          }),
      },
    ],
  };
}
