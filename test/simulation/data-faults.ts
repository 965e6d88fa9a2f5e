// What happens to what is stored: a backup is put back, an image is copied, bytes rot, the document store refuses some of it for good.
import type { Seeded } from "../../scripts/torture/seeded.ts";
import { drawMs, type Fault } from "./fault.ts";
import type { Death, HeldNumber, Machine } from "./machine.ts";
import type { SimulatedTree } from "./simulated-tree.ts";

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
    const [death, into] = [random.pick<Death>(["process", "power"]), random.pick(["new files", "same files"] as const)];
    const ms = drawMs(random, 1, 5_000);
    if (backup === undefined) {
      const held = machine.held();
      const parentGeneration = tree.parentOf(machine)?.generation;
      machine.backup = { snapshot: machine.disk.snapshot(), held, moves: machine.moves, parentGeneration };
      return `${machine.id}: a backup is made`;
    }
    // Its parent relies on what this one has; and only the parent can tell this one what it does not see itself.
    if (tree.machines.some(({ isUnaware, parent }) => isUnaware && parent === machine.id)) return undefined;
    const isUnseen = into === "same files" && (death === "process" || !machine.plan.tellsBoot);
    if (machine.isUnaware) return undefined;
    if (isUnseen && !isWithSameParent(tree, machine)) return undefined;
    machine.backup = undefined;
    forget(tree, machine, backup.held);
    tree.die(machine, death);
    machine.disk.restore(backup.snapshot, into);
    machine.restored(isUnseen);
    // Nothing comes from before its life: what it counts since then, sessions too, it counts a second time.
    for (const { link } of tree.machines) link.forgetEchoes();
    tree.later(ms, () => tree.start(machine));
    return `${machine.id}: its backup is put back into ${into}, it starts in ${ms} ms`;
  },
};

function isWithSameParent(tree: SimulatedTree, machine: Machine): boolean {
  const { backup, moves } = machine;
  return backup?.moves === moves && backup.parentGeneration === tree.parentOf(machine)?.generation;
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
    for (const number of held) if (number.id === id) tree.rotten.add(number.key);
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

export const dataFaults = { restore, clone, poison, refuse };
