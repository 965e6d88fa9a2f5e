// What happens to what is stored: a backup is put back, an image is copied, bytes rot.
import type { Seeded } from "../../scripts/torture/seeded.ts";
import { drawMs, type Fault } from "./fault.ts";
import type { Machine } from "./machine.ts";
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
    if (backup === undefined) {
      machine.backup = { snapshot: machine.disk.snapshot(), held: machine.held() };
      return `${machine.id}: a backup is made`;
    }
    machine.backup = undefined;
    for (const key of machine.held()) if (!backup.held.has(key)) tree.forgiven.add(key);
    for (const key of backup.held) tree.repeatable.add(key);
    tree.hasCopies = true;
    tree.die(machine, random.pick(["process", "power"]));
    machine.disk.restore(backup.snapshot, random.pick(["new files", "same files"]));
    machine.generation++;
    const ms = drawMs(random, 1, 5_000);
    tree.later(ms, () => tree.start(machine));
    return `${machine.id}: its backup is put back, it starts in ${ms} ms`;
  },
};

/** The disk of a device is copied into another machine, which then runs beside it or in its place, under the same name. */
const clone: Fault = {
  weight: 1,
  inflict(tree, random) {
    const machine = drawCopied(tree, random);
    if (machine === undefined || machine.plan.level !== "device" || machine.id !== machine.name) return undefined;
    if (tree.machines.some(({ id }) => id === `${machine.id}-copy`)) return undefined;
    for (const key of machine.held()) tree.repeatable.add(key);
    tree.hasCopies = true;
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
    const machine = drawCopied(tree, random);
    if (machine === undefined) return undefined;
    tree.die(machine, "power");
    const isFlipped = machine.disk.flipBit();
    const ms = drawMs(random, 1, 2_000);
    tree.later(ms, () => tree.start(machine));
    return `${machine.id}: ${isFlipped ? "a bit of a stored message flips" : "nothing is stored that could rot"}`;
  },
};

export const dataFaults = { restore, clone, poison };
