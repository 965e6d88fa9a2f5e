// What happens to what is stored: a backup is put back, an image is copied, bytes rot, the document store refuses some of it for good.
import type { Seeded } from "../../scripts/torture/seeded.ts";
import { detourParents, handedOn, publishAlone, takeDetour } from "./detour.ts";
import { drawMs, type Fault } from "./fault.ts";
import type { Backup, Death, HeldNumber, Machine } from "./machine.ts";
import type { StreamPlan } from "./plan.ts";
import type { SimulatedTree } from "./simulated-tree.ts";

const deaths: readonly Death[] = ["process", "power"];

/** Not the root: what it has drained is with its document store, which has a backup of its own. */
function drawCopied(tree: SimulatedTree, random: Seeded): Machine | undefined {
  const candidates = tree.machines.filter((machine) => machine !== tree.root && machine.life !== undefined);
  return candidates.length === 0 ? undefined : random.pick(candidates);
}

/** The first time a backup is made; the next time it is put back. */
const restore: Fault = {
  weight: 3,
  inflict(tree, random) {
    const machine = drawCopied(tree, random);
    if (machine === undefined) return undefined;
    const { backup } = machine;
    const [death, into] = [random.pick(deaths), random.pick(["new files", "same files"] as const)];
    const ms = drawMs(random, 1, 5_000);
    if (backup === undefined) {
      machine.backup = machine.backUp(tree);
      return `${machine.id}: a backup is made`;
    }
    const isSame = into === "same files" && (death === "process" || !machine.plan.tellsBoot);
    const isUnseen = isSame || backup.isUnaware;
    if (!mayPutBack(tree, machine, backup, isUnseen)) return undefined;
    putBack(tree, machine, backup, { death, into, isUnseen });
    tree.later(ms, () => tree.start(machine));
    return `${machine.id}: its backup is put back into ${into}, it starts in ${ms} ms`;
  },
};

/**
 * The image of a machine is put back after a short while in which messages were numbered and handed on, so that nothing shows it but what
 * the parent has. Perhaps it then runs without its parent, and dies, before it can be told.
 */
const rollback: Fault = {
  weight: 4,
  inflict(tree, random) {
    const machine = drawCopied(tree, random);
    if (machine === undefined || machine.isUnaware) return undefined;
    const [lost, again] = [drawPortions(tree, random), drawPortions(tree, random)];
    const [ms, downMs, aloneMs] = [drawMs(random, 500, 6_000), drawMs(random, 1, 3_000), drawMs(random, 500, 8_000)];
    const [isAlone, isStartedAgain, death] = [random.unit() < 0.7, random.unit() < 0.6, random.pick(deaths)];
    const [others, isDetour] = [detourParents(tree, machine), random.unit() < 0.3];
    if (isDetour && others.length > 0) return rollBackElsewhere(tree, machine, random.pick(others), random);
    const backup = machine.backUp(tree);
    publishWithin(tree, machine, lost, ms);
    tree.later(ms, () => {
      if (machine.life === undefined || !mayPutBack(tree, machine, backup, true)) return;
      tree.note(`${machine.id}: its image is put back`);
      putBack(tree, machine, backup, { death: "process", into: "same files", isUnseen: true });
      if (isAlone) leaveAlone(tree, machine, downMs + aloneMs);
      tree.later(downMs, async () => {
        await tree.start(machine);
        publishWithin(tree, machine, again, aloneMs);
      });
      if (isStartedAgain) dieWithin(tree, machine, downMs + aloneMs * 0.8, death);
    });
    return `${machine.id}: its image will be put back in ${ms} ms`;
  },
};

/** The same with a detour, while nothing else happens to that machine. */
async function rollBackElsewhere(
  tree: SimulatedTree,
  machine: Machine,
  other: Machine,
  random: Seeded,
): Promise<string | undefined> {
  // What gives way could not be compared any more.
  const lasting = tree.plan.streams.filter(({ policy, maxAgeMs }) => policy === "newest" && maxAgeMs === undefined);
  const [stream, count] = [random.pick(lasting), random.between(1, 8)];
  const parent = tree.parentOf(machine);
  if (parent === undefined) return undefined;
  machine.disk.crashIn(Number.POSITIVE_INFINITY, "before");
  machine.disk.full = undefined;
  machine.link.setCondition("up");
  Object.assign(machine.link.quality, { latencyMs: 5, loss: 0 });
  machine.isReserved = true;
  try {
    await tree.advance(2_000);
    const before = await handedOn(machine, parent, stream);
    const elsewhere = await handedOn(machine, other, stream);
    if (before === undefined || elsewhere === undefined || elsewhere.has > before.given) return undefined;
    const backup = machine.backUp(tree);
    publishAlone(tree, machine, stream, count);
    await tree.advance(2_000);
    const after = await handedOn(machine, parent, stream);
    if (after === undefined || after.has < before.given + count || !mayPutBack(tree, machine, backup, true))
      return undefined;
    const putImageBack = (): void =>
      putBack(tree, machine, backup, { death: "process", into: "same files", isUnseen: true });
    const isTold = await takeDetour(tree, machine, other, { stream, count, putBack: putImageBack });
    return `${machine.id}: its image is put back below ${other.id}, ${isTold ? "" : "not "}so that checksums tell it`;
  } finally {
    machine.isReserved = false;
  }
}

interface Portion {
  readonly stream: StreamPlan;
  readonly count: number;
}

function drawPortions(tree: SimulatedTree, random: Seeded): readonly Portion[] {
  return Array.from({ length: random.between(1, 3) }, () => {
    return { stream: random.pick(tree.plan.streams), count: random.between(1, 8) };
  });
}

function publishWithin(tree: SimulatedTree, machine: Machine, portions: readonly Portion[], ms: number): void {
  portions.forEach(({ stream, count }, at) =>
    tree.later(Math.round((ms * (at + 1)) / (portions.length + 2)), () => tree.publish(machine, stream, count)),
  );
}

function leaveAlone(tree: SimulatedTree, { link }: Machine, ms: number): void {
  link.setCondition("down");
  link.cut(0);
  tree.later(ms, () => link.setCondition("up"));
}

function dieWithin(tree: SimulatedTree, machine: Machine, ms: number, death: Death): void {
  tree.later(Math.round(ms), async () => {
    tree.die(machine, death);
    await tree.start(machine);
  });
}

/** Whether what is put back there can be told by what its parent has, where nothing else shows it. */
function mayPutBack(tree: SimulatedTree, machine: Machine, backup: Backup, isUnseen: boolean): boolean {
  // Its parent relies on what this one has; and only the parent can tell this one what it does not see itself.
  if (machine.isUnaware || tree.machines.some(({ isUnaware, parent }) => isUnaware && parent === machine.id))
    return false;
  // A copy of a disk that is gone, or whose own copy is elsewhere by now, may have numbers that come to the root another way.
  if (backup.generation !== machine.generation) return false;
  const isSame = backup.moves === machine.moves && backup.parentGeneration === tree.parentOf(machine)?.generation;
  return !isUnseen || (isSame && backup.copies === tree.copiesOf(machine.name));
}

function putBack(
  tree: SimulatedTree,
  machine: Machine,
  backup: Backup,
  { death, into, isUnseen }: { death: Death; into: "new files" | "same files"; isUnseen: boolean },
): void {
  machine.backup = undefined;
  forget(tree, machine, backup.held);
  tree.share(machine.name, backup.unoffered);
  tree.die(machine, death);
  machine.disk.restore(backup.snapshot, into);
  machine.restored(backup, isUnseen);
  tree.traffic.upset();
  // Nothing comes from before its life: what it counts since then, sessions too, it counts a second time.
  for (const { link } of tree.machines) link.forgetEchoes();
}

/** What is on the disk and not on the backup is gone; of class final, where the node has it from another one, that one still has it. */
function forget(tree: SimulatedTree, machine: Machine, kept: readonly HeldNumber[]): void {
  const keys = new Set(kept.map(({ key }) => key));
  for (const { key, message, origin, class: kind } of machine.held()) {
    if (keys.has(key)) continue;
    if (kind === "final" && origin !== machine.name && message !== undefined) continue;
    tree.vanished.add(key);
    // Of a gap, what it names.
    for (const gone of message === undefined ? (tree.numbered.messages.get(key) ?? []) : [message])
      tree.forgiven.add(gone);
  }
}

/** The disk of a device is copied into another machine, which then runs beside it or in its place, under the same name. */
const clone: Fault = {
  weight: 1,
  inflict(tree, random) {
    const machine = drawCopied(tree, random);
    if (machine === undefined || machine.plan.level !== "device" || machine.id !== machine.name) return undefined;
    if (tree.machines.some(({ id }) => id === `${machine.id}-copy`) || machine.isUnaware) return undefined;
    const copy = tree.copy(machine);
    tree.traffic.copied(machine.name);
    const ms = drawMs(random, 1, 5_000);
    tree.later(ms, () => tree.start(copy));
    if (random.unit() < 0.5) {
      tree.die(machine, "process");
      tree.later(drawMs(random, 1_000, 20_000), () => tree.start(machine));
    }
    return `${machine.id}: its disk is copied, the copy starts in ${ms} ms`;
  },
};

const poison: Fault = {
  weight: 2,
  inflict(tree, random) {
    const running = tree.machines.filter(({ life }) => life !== undefined);
    if (running.length === 0) return undefined;
    const machine = random.pick(running);
    const ms = drawMs(random, 1, 2_000);
    const held = machine.held();
    tree.die(machine, "power");
    const id = machine.disk.flipBit(random);
    const hit = held.filter((number) => number.id === id);
    for (const { key } of hit) tree.rotten.add(key);
    const own = hit.filter(({ origin }) => origin === machine.name);
    if (id !== undefined)
      tree.numbered.damage(
        machine.name,
        id,
        own.flatMap(({ message }) => message ?? []),
      );
    tree.later(ms, () => tree.start(machine));
    return `${machine.id}: ${id === undefined ? "nothing is stored that could rot" : `a bit of segment ${id} flips`}`;
  },
};

/** The document store takes everything but these, for ever. */
const refuse: Fault = {
  weight: 1,
  inflict(tree, random) {
    const blocks = random.between(1, 2);
    tree.store.refuseNext(blocks);
    return `the next ${blocks} segments are none for the document store`;
  },
};

export const dataFaults = { restore, rollback, clone, poison, refuse };
