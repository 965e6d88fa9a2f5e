// One history: a tree, so many steps in which messages are published and things go wrong, then peace until everything has drained.
// All of it follows from the seed; a kind of fault that is left out leaves the other steps as they are.
import type { NodeDatabase } from "#agent/store/node-database.ts";
import { seeded, type Seeded } from "../../scripts/torture/seeded.ts";
import { faultNames, faults, type FaultName } from "./faults.ts";
import { identityPathsIn, type IdentityPath } from "./identity-paths.ts";
import { pendingIn, Watch } from "./invariants.ts";
import { lossesOf, settledFaults, type Losses } from "./settled.ts";
import { SimulatedTree } from "./simulated-tree.ts";
import type { TrafficCounts } from "./traffic.ts";

export interface HistorySetting {
  readonly seed: number;
  readonly steps: number;
  readonly faults: readonly FaultName[];
  /** Stands between the nodes and their disks: for tests of the simulation itself. */
  readonly wrap?: (database: NodeDatabase, node: string) => NodeDatabase;
  /** Without calls and events: for tests of the simulation itself, which they would slow down. */
  readonly isQuiet?: boolean;
  /** Frames of older sessions come again as if they were of the present one: for the same tests. */
  readonly hidesSessions?: boolean;
}

export interface HistoryReport {
  /** What does not hold, after which step, and what had happened before. */
  readonly failure:
    | { readonly step: number; readonly faults: readonly string[]; readonly events: readonly string[] }
    | undefined;
  readonly counts: HistoryCounts;
}

export interface HistoryCounts {
  readonly published: number;
  readonly acknowledged: number;
  readonly frames: number;
  readonly traffic: TrafficCounts;
  readonly virtualMs: number;
  readonly drainMs: number;
  readonly looks: number;
  readonly faults: Readonly<Partial<Record<FaultName, number>>>;
  /** How nodes have found out that their database may have a copy. */
  readonly identity: Readonly<Partial<Record<IdentityPath, number>>>;
  /** Messages that were named as lost in the end. */
  readonly losses: Losses;
}

/** Virtual time in which everything must drain once nothing is broken any more. */
const drainMsMax = 300_000;
/** And in which what waits for nodes must have reached them: their parents ask again at least once a minute. */
const deliveryMsMax = 120_000;
const stepsPerLook = 4;
const stepsPerDeepLook = 20;

export async function runHistory(setting: HistorySetting): Promise<HistoryReport> {
  const random = seeded(setting.seed);
  await using tree = new SimulatedTree(random, setting.wrap);
  for (const { link } of tree.machines) link.hidesSessions = setting.hidesSessions === true;
  const watch = new Watch(tree);
  const counts: Partial<Record<FaultName, number>> = {};
  let step = 0;
  let drainMs = 0;
  let losses: Losses = {};
  let problems: readonly string[] = [];
  const crashes: unknown[] = [];
  const onCrash = (error: unknown): void => void crashes.push(error);
  process.on("unhandledRejection", onCrash);
  try {
    for (const machine of tree.machines) await tree.start(machine);
    for (; step < setting.steps && problems.length === 0; step++) {
      await takeStep(tree, random.fork(`step ${step}`), setting, counts);
      if (step % stepsPerLook === 0) problems = await watch.look(step % stepsPerDeepLook === 0);
      if (crashes.length > 0) problems = crashes.map((error) => `a node failed: ${stackOf(error)}`);
    }
    if (problems.length === 0) {
      const startMs = tree.clock.monotonic();
      // One event that everybody has yet to hear of.
      if (setting.isQuiet !== true) raiseLast(tree);
      problems = await settle(tree, watch);
      drainMs = tree.clock.monotonic() - startMs;
    }
    losses = await lossesOf(tree);
  } finally {
    process.off("unhandledRejection", onCrash);
  }
  const { publishers, network, events, traffic } = tree;
  return {
    failure: problems.length === 0 ? undefined : { step, faults: problems.slice(0, 10), events: [...events] },
    counts: {
      published: publishers.published,
      acknowledged: publishers.acknowledged.size,
      frames: network.frames,
      traffic: { ...traffic.counts },
      virtualMs: tree.clock.monotonic(),
      drainMs,
      looks: watch.looks,
      faults: counts,
      identity: identityPathsIn(tree.log),
      losses,
    },
  };
}

const publishWeight = 40;
const quietWeight = 10;
/** Of the steps. */
const callShare = 0.1;
const eventShare = 0.04;

async function takeStep(
  tree: SimulatedTree,
  random: Seeded,
  { faults: allowed, isQuiet = false }: HistorySetting,
  counts: Partial<Record<FaultName, number>>,
): Promise<void> {
  const name = drawAction(random);
  if (name === "publish") publish(tree, random);
  else if (name !== "quiet" && allowed.includes(name)) {
    const done = await faults[name].inflict(tree, random);
    if (done !== undefined) {
      counts[name] = (counts[name] ?? 0) + 1;
      tree.note(`${name}: ${done}`);
    }
  }
  if (!isQuiet) send(tree, random.fork("traffic"));
  await tree.advance(random.unit() < 0.6 ? random.between(1, 120) : random.between(100, 1_500));
}

/** Always from all kinds, so that leaving one out does not change what the others do. */
function drawAction(random: Seeded): FaultName | "publish" | "quiet" {
  const total = faultNames.reduce((sum, name) => sum + faults[name].weight, publishWeight + quietWeight);
  let left = random.unit() * total - publishWeight;
  if (left < 0) return "publish";
  for (const name of faultNames) {
    left -= faults[name].weight;
    if (left < 0) return name;
  }
  return "quiet";
}

function publish(tree: SimulatedTree, random: Seeded): void {
  const machine = random.pick(tree.machines);
  const stream = random.pick(tree.plan.streams);
  tree.publish(machine, stream, random.between(1, stream.name === "bulk" ? 6 : 20));
}

/** Now and then a call or an event. */
function send(tree: SimulatedTree, random: Seeded): void {
  const [chance, place] = [random.unit(), tree.placeAt(random.pick(tree.machines))];
  if (place === undefined) return;
  if (chance < callShare) tree.traffic.call(place, random);
  else if (chance < callShare + eventShare) tree.traffic.raise(place, random);
}

function raiseLast(tree: SimulatedTree): void {
  const random = tree.random.fork("last event");
  const places = tree.machines.map((machine) => tree.placeAt(machine)).filter((place) => place !== undefined);
  if (places.length > 0) tree.traffic.raise(random.pick(places), random);
}

/** Mends everything, waits until all has drained, and looks at all of it. */
async function settle(tree: SimulatedTree, watch: Watch): Promise<readonly string[]> {
  tree.note("everything is mended");
  mend(tree);
  // Nodes of one name take turns: both at once are kept apart for good.
  const copies = tree.machines.filter(({ id, name }) => id !== name);
  const shifts = copies.length === 0 ? [false] : [false, true];
  for (const isTurnOfCopies of shifts) {
    for (const copy of copies) {
      const original = tree.machine(copy.name);
      const [off, on] = isTurnOfCopies ? [original, copy] : [copy, original];
      tree.die(off, "process");
      off.isResting = true;
      on.isResting = false;
    }
    const pending = await drain(tree);
    if (pending !== undefined) return [pending];
  }
  return [...(await delivered(tree)), ...(await watch.look(true)), ...(await settledFaults(tree))];
}

/** Lets calls come to their end, and events to those who were away. Answers whom they have not reached. */
async function delivered(tree: SimulatedTree): Promise<readonly string[]> {
  const { clock, traffic, machines } = tree;
  const places = machines.filter(({ life }) => life !== undefined).map(({ plan }) => plan);
  const untilMs = clock.monotonic() + deliveryMsMax;
  while ((traffic.isOpen || traffic.unheard(places).length > 0) && clock.monotonic() < untilMs) {
    await tree.advance(500);
    traffic.look();
  }
  return traffic.unheard(places).map((text) => `[J15] ${text}`);
}

function mend(tree: SimulatedTree): void {
  tree.clearAgenda();
  tree.store.condition = "up";
  for (const { link, disk } of tree.machines) {
    disk.full = undefined;
    disk.crashIn(Number.POSITIVE_INFINITY, "before");
    link.setCondition("up");
    Object.assign(link.quality, { latencyMs: 5, loss: 0 });
  }
}

/** Answers what is still pending when time is up. First all but what the document store refuses, which must not hold it up. */
async function drain(tree: SimulatedTree): Promise<string | undefined> {
  const sign = tree.store.refused.size + tree.rotten.size > 0 ? "[O9] " : "";
  const pending = await waitUntilDrained(tree, tree.store.refused);
  if (pending !== undefined) return `${sign}not drained in ${drainMsMax / 1000} s: ${pending}`;
  // It is only given up while the store takes something else.
  const left = await waitUntilDrained(tree, new Set(), () => trickle(tree));
  return left && `[O9] what is refused was not given up in ${drainMsMax / 1000} s: ${left}`;
}

async function waitUntilDrained(
  tree: SimulatedTree,
  refused: ReadonlySet<string>,
  meanwhile = (): void => undefined,
): Promise<string | undefined> {
  const untilMs = tree.clock.monotonic() + drainMsMax;
  let pending: string | undefined = "not looked yet";
  while (pending !== undefined && tree.clock.monotonic() < untilMs) {
    for (const machine of tree.machines) await tree.start(machine);
    await tree.advance(500);
    pending = await pendingIn(tree, refused);
    if (pending !== undefined) meanwhile();
  }
  return pending;
}

function trickle(tree: SimulatedTree): void {
  const [stream] = tree.plan.streams;
  if (stream !== undefined) tree.publish(tree.root, stream, 1);
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
