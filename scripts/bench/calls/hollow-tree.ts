// A cloud, fogs below it as processes of their own, and hollow devices below those in one process.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fetchStatus } from "../../demo/node-api.ts";
import { createBenchNode, type BenchNode, type BenchNodeDeps } from "../bench-node.ts";
import { until } from "../bench-tree.ts";
import { startHollow, type HollowProcess } from "./hollow-process.ts";

export interface HollowTree extends AsyncDisposable {
  readonly cloud: BenchNode;
  readonly fogs: readonly BenchNode[];
  /** Starts so many devices, spread over the fogs; resolves when the cloud knows all of them. */
  startDevices(children: number, zones: number): Promise<HollowProcess>;
}

const linkedMsMax = 60_000;
const lookEveryMs = 500;

export async function startHollowTree(deps: BenchNodeDeps, folder: string, fogCount: number): Promise<HollowTree> {
  await using stack = new AsyncDisposableStack();
  const add = async (name: string, level: "cloud" | "fog", uplinkPort: number | undefined): Promise<BenchNode> => {
    const node = stack.use(await createBenchNode(deps, { folder, name, level, uplinkPort, measuresHost: false }));
    await node.start();
    return node;
  };
  const cloud = await add("bench-cloud", "cloud", undefined);
  const fogs: BenchNode[] = [];
  for (let number = 1; number <= fogCount; number++) fogs.push(await add(`bench-fog-${number}`, "fog", cloud.mqttPort));
  const online = async (count: number): Promise<boolean> => {
    const { below } = await fetchStatus(cloud.httpPort);
    return below.filter(({ state }) => state === "online").length >= count;
  };
  await until("all fogs are linked", linkedMsMax, () => online(fogCount));
  const owned = stack.move();
  return {
    cloud,
    fogs,
    async startDevices(children, zones) {
      const parentPorts = fogs.map(({ mqttPort }) => mqttPort);
      const plan = { children, parentPorts, zones, logFile: join(folder, "hollow.log") };
      const devices = owned.use(await startHollow(deps.guard, plan));
      // The cloud names at most 10 000 nodes below it.
      const known = Math.min(10_000, fogCount + children);
      // Thousands in one answer: not asked every few milliseconds.
      while (!(await online(known))) await sleep(lookEveryMs);
      return devices;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
