// Three levels of nodes for a benchmark, and the two questions that are asked of them: what can be read at the cloud, and is it
// what was published.
import { setTimeout as sleep } from "node:timers/promises";
import { fetchLedger, fetchStatus, fetchStoredRows } from "../demo/node-api.ts";
import { createBenchNode, type BenchNode, type BenchNodeDeps } from "./bench-node.ts";
import type { ProcessStart } from "./measured-process.ts";
import { readStamp, stampBytes } from "./payload-stamp.ts";
import { monotonicMs } from "./process-usage.ts";
import { SequenceTally } from "./sequence-tally.ts";

export const treeLevels = ["device", "fog", "cloud"] as const;
export type TreeLevel = (typeof treeLevels)[number];

export interface BenchTree extends AsyncDisposable {
  readonly device: BenchNode;
  readonly fog: BenchNode;
  readonly cloud: BenchNode;
  /** What the first start of each node cost. */
  readonly starts: Readonly<Record<TreeLevel, ProcessStart>>;
}

const upMsMax = 30_000;
const lookEveryMs = 10;

/** Resolves when both links are up. Disposing it stops the nodes from the bottom upward. */
export async function startBenchTree(deps: BenchNodeDeps, folder: string, measuresHost: boolean): Promise<BenchTree> {
  await using stack = new AsyncDisposableStack();
  const cloud = stack.use(
    await createBenchNode(deps, { folder, level: "cloud", uplinkPort: undefined, measuresHost: false }),
  );
  const fog = stack.use(
    await createBenchNode(deps, { folder, level: "fog", uplinkPort: cloud.mqttPort, measuresHost: false }),
  );
  const device = stack.use(
    await createBenchNode(deps, { folder, level: "device", uplinkPort: fog.mqttPort, measuresHost }),
  );
  const starts = { cloud: await cloud.start(), fog: await fog.start(), device: await device.start() };
  for (const { name, httpPort } of [fog, device]) {
    await until(`${name} is linked`, upMsMax, async () => (await fetchStatus(httpPort)).uplink.state === "up");
  }
  const owned = stack.move();
  return { device, fog, cloud, starts, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Resolves with the time at which `count` messages of `origin` could be read at the cloud, to about 10 ms. */
export async function readableAt(cloud: BenchNode, origin: string, count: number, msMax: number): Promise<number> {
  await until(`${count} messages are readable at the cloud`, msMax, async () => {
    return (await storedAt(cloud, origin)) >= count;
  });
  return monotonicMs();
}

export interface Verdict {
  readonly lost: number;
  readonly duplicates: number;
  readonly overtaken: number;
}

/** Reads everything of `origin` back from the cloud and compares it with the number of acknowledged messages. */
export async function checkAtCloud(cloud: BenchNode, origin: string, published: number): Promise<Verdict> {
  const tally = new SequenceTally();
  const encoder = new TextEncoder();
  for (const { payload = "" } of await fetchStoredRows(cloud.httpPort, origin)) {
    const { publisher, number } = readStamp(encoder.encode(payload.slice(0, stampBytes)), 0);
    tally.note(publisher, number);
  }
  return { lost: tally.lostOf(published), duplicates: tally.duplicates, overtaken: tally.overtaken };
}

/** How many messages of `origin` the cloud's document store holds. */
async function storedAt(cloud: BenchNode, origin: string): Promise<number> {
  const ledger = await fetchLedger(cloud.httpPort, origin);
  return ledger.reduce((total, { stored }) => total + stored, 0);
}

/** Asks every 10 ms. Rejects when it is not so in `msMax`. */
export async function until(what: string, msMax: number, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = monotonicMs() + msMax;
  while (!(await isSo())) {
    if (monotonicMs() > endMs) throw new Error(`after ${msMax / 1000} s it is not so that ${what}`);
    await sleep(lookEveryMs);
  }
}
