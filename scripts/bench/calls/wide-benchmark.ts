// One call to thousands of hollow devices under many fogs: when its receipt is complete, and what it moves on the links; to all of
// them, and to one zone of fifty.
import { setTimeout as sleep } from "node:timers/promises";
import { inFreshFolder, type BenchCase, type BenchContext, type Benchmark, type BenchRow } from "../benchmark.ts";
import { median } from "../percentiles.ts";
import { startCaller, type Caller } from "./caller.ts";
import { fetchCallTraffic, since, sumCallTraffic } from "./call-traffic.ts";
import { startHollowTree, type HollowTree } from "./hollow-tree.ts";

const zones = 50;
const callsEach = 5;
/** Heartbeats and the news of the last devices have passed. */
const quietMs = 6_000;
export const fogCount = { full: 20, quick: 2 };
const sizes = { full: [2_000, 10_000], quick: [100] };

export const wideName = (devices: number, whom: "all" | "one zone"): string =>
  `${devices.toLocaleString("en-US")} devices, ${whom}`;

export function wideBenchmark(isQuick: boolean): Benchmark {
  const fogs = isQuick ? fogCount.quick : fogCount.full;
  return {
    name: "wide",
    title: `one call from the cloud, ${fogs} fogs`,
    columns: [
      { key: "completeMs", heading: "complete after ms", digits: 0 },
      { key: "done", heading: "done", digits: 0 },
      { key: "cloudFrames", heading: "frames on the cloud's links", digits: 0 },
      { key: "cloudKib", heading: "KiB", digits: 1 },
      { key: "frames", heading: "frames on all links", digits: 0 },
      { key: "kib", heading: "KiB", digits: 0 },
      { key: "kibPerDevice", heading: "memory KiB per hollow device", digits: 1 },
    ],
    cases: (isQuick ? sizes.quick : sizes.full).map((devices) => wideCase(devices, fogs)),
  };
}

function wideCase(devices: number, fogs: number): BenchCase {
  return {
    name: `${devices.toLocaleString("en-US")} devices`,
    run: (context: BenchContext) =>
      inFreshFolder(context, async (folder) => {
        await using tree = await startHollowTree(context.nodeDeps, folder, fogs);
        const hollow = await tree.startDevices(devices, zones);
        await using caller = await startCaller(tree.cloud.mqttPort);
        await sleep(quietMs);
        const kibPerDevice = hollow.bytesPerChild / 1024;
        const all = await measureCalls(tree, caller, "level == 'device'", devices);
        const zone = await measureCalls(tree, caller, `level == 'device' && zone == 'zone-7'`, devices / zones);
        return [
          { name: wideName(devices, "all"), figures: { ...all, kibPerDevice } },
          { name: wideName(devices, "one zone"), figures: zone },
        ];
      }),
  };
}

/** Each figure is the median of a few calls; the first of them only warms up. */
async function measureCalls(
  { cloud, fogs }: HollowTree,
  caller: Caller,
  condition: string,
  expected: number,
): Promise<BenchRow["figures"]> {
  const fogPorts = fogs.map(({ httpPort }) => httpPort);
  const runs: BenchRow["figures"][] = [];
  for (let number = 0; number <= callsEach; number++) {
    const [cloudBefore, fogsBefore] = [await fetchCallTraffic(cloud.httpPort), await sumCallTraffic(fogPorts)];
    const { ended, startMs } = caller.call("ping", { if: condition, ttl: 60 });
    const { reply, atMs } = await ended;
    // Between cloud and fogs, and every frame of a fog: its links up and down.
    const onCloud = since(cloudBefore, await fetchCallTraffic(cloud.httpPort));
    const onAll = since(fogsBefore, await sumCallTraffic(fogPorts));
    const done = reply.counts?.["done"] ?? 0;
    if (done !== expected)
      throw new Error(
        `${done} of ${expected} devices are done, ${reply.waiting.length} or more were not heard: the machine is too busy`,
      );
    runs.push({
      completeMs: atMs - startMs,
      done,
      cloudFrames: onCloud.frames,
      cloudKib: onCloud.bytes / 1024,
      frames: onAll.frames,
      kib: onAll.bytes / 1024,
    });
  }
  const [, ...counted] = runs;
  const keys = Object.keys(counted[0] ?? {});
  return Object.fromEntries(keys.map((key) => [key, median(counted.map((run) => run[key] ?? Number.NaN))]));
}
