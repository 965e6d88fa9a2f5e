// The outage, told by itself: everything runs, the fog is killed, the backlog grows, the fog comes back, the backlog drains, the
// devices stop, and what they wrote down is compared with what the cloud returns. Every wait has an end.
import { setTimeout as sleep } from "node:timers/promises";
import type { DeviceCount } from "./accounting.ts";
import { countAfterArrival, stopDevices } from "./close-down.ts";
import { callSentence, isWhole, pingDevices, reachedAll, type DemoCall } from "./demo-call.ts";
import type { DemoTree } from "./demo-tree.ts";
import { treeInWords } from "./live-view.ts";
import { numbersOf } from "./line-view.ts";
import { createObserver, type NodeSample, type TreeSample } from "./observe.ts";
import { stepRecovery, type Recovery } from "./recovery.ts";
import { formatAge, formatCount, formatTime } from "./text-style.ts";

const lookEveryMs = 250;
const firstDataMsMax = 60_000;
const drainMsMax = 60_000;
const arriveMsMax = 60_000;
const wholeMsMax = 60_000;
const calmSecondsMax = 5;
/** The devices read their machine once a second: looked at half-way between, nothing is on its way just by chance. */
const betweenReadingsMs = 500;

export interface StoryDeps {
  readonly tree: DemoTree;
  /** Writes a line. */
  readonly write: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Something did not happen in time. */
export class StoryFailure extends Error {}

/** Runs it to the count. Rejects with a StoryFailure, a NodeFailure, or the reason of `signal`. */
export async function tellOutage(deps: StoryDeps, outageSeconds: number): Promise<readonly DeviceCount[]> {
  const { tree, write, signal } = deps;
  const look = createObserver(tree);
  const teller = createTeller(write);

  teller.chapter(`start ${treeInWords(tree.devices.length)}, each a process of its own`);
  const startedMs = performance.now();
  await tree.start(signal);
  teller.say(`all of them accept clients after ${seconds(performance.now() - startedMs)}`);
  await until(deps, firstDataMsMax, "data of every device in the cloud", async () => {
    const sample = await look();
    return sample.devices.every(({ stored = 0 }) => stored > 0);
  });
  teller.say(`the cloud has data of every device after ${seconds(performance.now() - startedMs)}`);
  await sleep(betweenReadingsMs, undefined, { signal });

  const calmSeconds = Math.min(calmSecondsMax, outageSeconds);
  teller.chapter(`${calmSeconds} s of ordinary life`);
  teller.columns();
  await watch(deps, look, teller, calmSeconds);
  await callAll(deps, look, teller);

  const fogState = tree.fog.state();
  const pid = fogState.at === "up" ? fogState.pid : 0;
  teller.chapter(`outage: kill -9 ${pid} ends fog-1, and it stays away for ${outageSeconds} s`);
  await tree.fog.kill();
  teller.columns();
  await watch(deps, look, teller, outageSeconds);
  teller.say(callSentence(await call(deps)));
  const backlog = numbersOf(await look()).atDevices ?? 0;

  teller.chapter("start fog-1 again, with the same files");
  await tree.restart(tree.fog);
  const backMs = performance.now();
  teller.say(`fog-1 accepts clients again; ${formatCount(backlog)} messages wait at the devices`);
  teller.columns();
  await drained(deps, look, teller);
  teller.say(`the backlog has drained ${seconds(performance.now() - backMs)} after fog-1 came back`);
  await callAll(deps, look, teller);

  teller.chapter("stop the devices (SIGTERM): they stop measuring, hand on the rest, and end");
  await stopDevices(tree);
  const stopped = tree.devices.map((device) => device.state());
  const rough = stopped.filter((state) => state.at === "down" && state.how !== "exit code 0");
  teller.say(
    rough.length === 0 ? "all devices ended with exit code 0" : `${rough.length} devices did not end with exit code 0`,
  );
  for (const state of rough) if (state.at === "down") teller.say(`  a device ended with ${state.how}`);

  teller.chapter("compare what the devices wrote down with what the cloud returns, message by message");
  return countAfterArrival(tree, arriveMsMax, signal);
}

/** Every device must answer: the nodes above it know it to be there. */
async function callAll(deps: StoryDeps, look: () => Promise<TreeSample>, teller: Teller): Promise<void> {
  await until(deps, wholeMsMax, "every device to be online", async () => isWhole(await look()));
  const answer = await call(deps);
  teller.say(callSentence(answer));
  const { length } = deps.tree.devices;
  if (!reachedAll(answer, length)) throw new StoryFailure(`a call of all ${length} devices did not reach each of them`);
}

async function call({ tree, signal }: StoryDeps): Promise<DemoCall> {
  const port = tree.cloud.ports()?.mqtt;
  if (port === undefined) throw new StoryFailure("the cloud has not been started");
  try {
    return await pingDevices(port, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    throw new StoryFailure(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** Shows how things stand, about eight times. */
async function watch(
  deps: StoryDeps,
  look: () => Promise<TreeSample>,
  teller: Teller,
  forSeconds: number,
): Promise<void> {
  const everyMs = Math.max(1_000, Math.ceil(forSeconds / 8) * 1_000);
  const startMs = performance.now();
  for (let atMs = everyMs; atMs <= forSeconds * 1_000; atMs += everyMs) {
    await sleep(Math.max(0, startMs + atMs - performance.now()), undefined, { signal: deps.signal });
    teller.row(await look());
  }
  await sleep(Math.max(0, startMs + forSeconds * 1_000 - performance.now()), undefined, { signal: deps.signal });
}

/** Until every device was seen without anything on its way; shows each second how far it is. */
async function drained(deps: StoryDeps, look: () => Promise<TreeSample>, teller: Teller): Promise<void> {
  let recovery: Recovery = { at: "disturbed" };
  let rowAtMs = performance.now();
  await until(deps, drainMsMax, "the backlog to drain", async () => {
    const sample = await look();
    recovery = stepRecovery(recovery, sample);
    if (performance.now() >= rowAtMs || recovery.at === "calm") {
      teller.row(sample);
      rowAtMs = performance.now() + 1_000;
    }
    return recovery.at === "calm";
  });
}

async function until({ signal }: StoryDeps, msMax: number, what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + msMax;
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) throw new StoryFailure(`waited ${msMax / 1000} s in vain for ${what}`);
    await sleep(lookEveryMs, undefined, { signal });
  }
}

interface Teller {
  chapter(text: string): void;
  say(text: string): void;
  columns(): void;
  row(sample: TreeSample): void;
}

function createTeller(write: (line: string) => void): Teller {
  let chapters = 0;
  const say = (text: string): void => write(`${formatTime(Date.now())}  ${text}`);
  return {
    chapter(text) {
      write("");
      say(`${++chapters}. ${text}`);
    },
    say: (text) => say(`   ${text}`),
    columns: () => write(rowText("", "PUBLISHED", "AT DEVICES", "AT FOG", "IN CLOUD", "THE CLOUD SEES FOG-1")),
    row(sample) {
      const { published, atDevices, atFog, stored } = numbersOf(sample);
      const time = formatTime(sample.atMs);
      write(
        rowText(
          time,
          formatCount(published),
          formatCount(atDevices),
          formatCount(atFog),
          formatCount(stored),
          seenText(sample),
        ),
      );
    },
  };
}

function rowText(
  time: string,
  ...[published, atDevices, atFog, stored, seen]: readonly [string, string, string, string, string]
): string {
  return `${time.padEnd(8)}  ${published.padStart(12)}${atDevices.padStart(12)}${atFog.padStart(9)}${stored.padStart(11)}   ${seen}`;
}

function seenText({ fog, atMs }: { readonly fog: NodeSample; readonly atMs: number }): string {
  const { seenByCloud: seen } = fog;
  if (seen === undefined) return "not yet";
  return `${seen.state} for ${formatAge(atMs - seen.sinceMs)}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
