// What happens to nodes: they die at any moment, stop, change their parent, run out of disk, have a wrong clock; and the document
// store at the root goes away.
import type { Seeded } from "../../scripts/torture/seeded.ts";
import type { CrashPoint } from "./disk.ts";
import { drawMs, type Fault } from "./fault.ts";
import type { Death, Machine } from "./machine.ts";
import { plentyBytes } from "./plan.ts";
import type { SimulatedTree } from "./simulated-tree.ts";

const deaths: readonly Death[] = ["process", "power"];
const crashPoints: readonly CrashPoint[] = ["before", "torn", "after"];

function drawRunning(tree: SimulatedTree, random: Seeded): Machine | undefined {
  const running = tree.machines.filter(({ isRunning }) => isRunning);
  return running.length === 0 ? undefined : random.pick(running);
}

/** Between commits. */
const crash: Fault = {
  weight: 3,
  inflict(tree, random) {
    const machine = drawRunning(tree, random);
    if (machine === undefined) return undefined;
    const [how, ms] = [random.pick(deaths), drawMs(random, 1, 10_000)];
    tree.die(machine, how);
    tree.later(ms, () => tree.start(machine));
    return `${machine.id}: back in ${ms} ms`;
  },
};

/** In the middle of what it does: with a commit half written, or written and not known to anybody. */
const crashInCommit: Fault = {
  weight: 6,
  inflict(tree, random) {
    const machine = drawRunning(tree, random);
    if (machine === undefined) return undefined;
    const [commits, point] = [random.between(1, 8), random.pick(crashPoints)];
    machine.disk.crashIn(commits, point);
    return `${machine.id}: will die ${point} its commit number ${commits} from now`;
  },
};

const stop: Fault = {
  weight: 1,
  async inflict(tree, random) {
    const machine = drawRunning(tree, random);
    if (machine === undefined) return undefined;
    await tree.stop(machine);
    const ms = drawMs(random, 1, 5_000);
    tree.later(ms, () => tree.start(machine));
    return `${machine.id}: back in ${ms} ms`;
  },
};

/** Another parent, for a node with all that hangs below it: also an ancestor, also with unanswered frames on their way. */
const move: Fault = {
  weight: 4,
  async inflict(tree, random) {
    const machine = random.pick(tree.machines.filter(({ parent }) => parent !== undefined));
    if (machine.isUnaware) return undefined;
    const below = tree.subtreeOf(machine);
    const parents = tree.machines.filter(
      (other) => other.plan.level !== "device" && !below.has(other) && other.name !== machine.parent,
    );
    if (parents.length === 0) return undefined;
    const parent = random.pick(parents);
    if (random.unit() < 0.25) await tree.stop(machine);
    else tree.die(machine, random.pick(deaths));
    machine.parent = parent.name;
    const ms = drawMs(random, 1, 4_000);
    tree.later(ms, () => tree.start(machine));
    return `${machine.id}: moves below ${parent.name} in ${ms} ms`;
  },
};

/** Two fogs change places, perhaps there and back, while the upper one holds a backlog: what was handed up once comes from below. */
const swap: Fault = {
  weight: 3,
  inflict(tree, random) {
    const pairs = tree.machines.flatMap((lower) => {
      const upper = tree.machines.find(({ id }) => id === lower.parent);
      const isPair = lower.plan.level === "fog" && upper !== undefined && upper !== tree.root;
      if (lower.isUnaware || upper?.isUnaware === true) return [];
      return isPair ? [{ lower, upper }] : [];
    });
    if (pairs.length === 0) return undefined;
    const { lower, upper } = random.pick(pairs);
    const times = random.between(1, 2);
    const ms = drawMs(random, 300, 5_000);
    cutOff(upper);
    changePlaces(tree, lower, upper, times, ms);
    return `${upper.id} and ${lower.id} below it change places ${times} times, every ${ms} ms, the upper one cut off`;
  },
};

function cutOff({ link }: Machine): void {
  link.setCondition("down");
  link.cut(0);
}

/** `upper` is cut off until they have changed places, and `lower`, which is then above, until the next time. */
function changePlaces(tree: SimulatedTree, lower: Machine, upper: Machine, times: number, ms: number): void {
  tree.later(ms, async () => {
    upper.link.setCondition("up");
    if (times === 0 || lower.parent !== upper.id) return; // the last time, or it has moved meanwhile
    if (lower.isUnaware || upper.isUnaware) return; // only its parent can tell it
    for (const machine of [lower, upper]) tree.die(machine, "process");
    lower.parent = upper.parent;
    upper.parent = lower.id;
    cutOff(lower);
    for (const machine of [lower, upper]) await tree.start(machine);
    changePlaces(tree, upper, lower, times - 1, ms);
  });
}

const fullDisk: Fault = {
  weight: 2,
  inflict(tree, random) {
    const machine = random.pick(tree.machines);
    const [full, ms] = [random.pick(["data", "everything"] as const), drawMs(random, 500, 15_000)];
    machine.disk.full = full;
    tree.later(ms, () => void (machine.disk.full = undefined));
    return `${machine.id}: disk full for ${full}, for ${ms} ms`;
  },
};

/** More than a small budget holds, at a node that can hand nothing on: some of it has to give way. */
const flood: Fault = {
  weight: 2,
  inflict(tree, random) {
    const small = tree.machines.filter(({ life, parent, plan }) => life && parent && plan.maxBytes < plentyBytes);
    if (small.length === 0) return undefined;
    const machine = random.pick(small);
    const [ms, portions] = [drawMs(random, 2_000, 15_000), random.between(4, 12)];
    machine.link.setCondition("down");
    machine.link.cut(0);
    tree.later(ms, () => machine.link.setCondition("up"));
    const name = random.pick(["bulk", "bulk", "data"]);
    const stream = tree.plan.streams.find((one) => one.name === name);
    if (stream === undefined) return undefined;
    for (let portion = 1; portion <= portions; portion++)
      tree.later(Math.round((ms * portion) / (portions + 1)), () => tree.publish(machine, stream, 12));
    return `${machine.id}: cut off for ${ms} ms, while ${portions * 12} are published on ${name}`;
  },
};

const documents: Fault = {
  weight: 2,
  inflict(tree, random) {
    const [condition, ms] = [random.pick(["down", "fails after storing"] as const), drawMs(random, 500, 20_000)];
    tree.store.condition = condition;
    tree.later(ms, () => void (tree.store.condition = "up"));
    return `document store ${condition} for ${ms} ms`;
  },
};

const clock: Fault = {
  weight: 2,
  inflict(tree, random) {
    const machine = random.unit() < 0.3 ? tree.root : random.pick(tree.machines);
    const ms = drawMs(random, 10, 3 * 365 * 86_400_000) * (random.unit() < 0.5 ? -1 : 1);
    machine.clockErrorMs = ms;
    tree.traffic.misdate(ms);
    return `${machine.id}: wall clock wrong by ${ms} ms`;
  },
};

export const nodeFaults = {
  crash,
  "crash-in-commit": crashInCommit,
  stop,
  move,
  swap,
  "full-disk": fullDisk,
  flood,
  documents,
  clock,
};
