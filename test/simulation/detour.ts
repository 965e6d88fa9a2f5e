// What is left to R2: the image of a machine is put back, and before its parent can tell it, it has another parent for a while, which
// knows nothing of what the lost original had numbered since. It numbers as much there, of which nothing gets away. Back at its parent
// the numbers are those that it may have sent, and only checksums tell that they stand for other messages.
//
// Other faults have to wait: with another cut of its segments, or another clock, nobody could tell it any more.
import { highestOf } from "#shared/journal/interval-set.ts";
import type { LedgerRow } from "#shared/journal/ledger.ts";
import type { Machine } from "./machine.ts";
import type { StreamPlan } from "./plan.ts";
import type { SimulatedTree } from "./simulated-tree.ts";

/** What a detour needs of the fault that it belongs to. */
export interface Detour {
  readonly stream: StreamPlan;
  readonly count: number;
  /** Puts the image in the place of the disk, and nothing shows it. The machine is off then. */
  readonly putBack: () => void;
}

/** Where it can go: a node that nothing of its parent's comes by. */
export function detourParents(tree: SimulatedTree, machine: Machine): readonly Machine[] {
  const former = tree.parentOf(machine);
  if (former === undefined || machine.plan.level !== "device") return [];
  const isElsewhere = (other: Machine): boolean =>
    other.plan.level === "fog" && other.life !== undefined && !tree.subtreeOf(other).has(former);
  return tree.machines.filter(isElsewhere);
}

/** Answers whether it can be told at the end. If not, the image is put back a second time, which its parent can tell. */
export async function takeDetour(
  tree: SimulatedTree,
  machine: Machine,
  other: Machine,
  { stream, count, putBack }: Detour,
): Promise<boolean> {
  const former = machine.parent;
  putBack();
  machine.parent = other.name;
  await tree.start(machine);
  await tree.advance(2_000);
  const hasMet = !machine.isUnaware;
  machine.isUnaware = true;
  machine.isCutOff = true;
  machine.link.cut(0);
  if (hasMet) publishAlone(tree, machine, stream, count);
  await tree.advance(500);
  await tree.start(machine); // it may have died meanwhile
  const isTold = await canBeTold(tree, machine, former);
  if (!isTold) putBack();
  tree.die(machine, "process");
  machine.parent = former;
  machine.isCutOff = false;
  await tree.start(machine);
  return isTold;
}

/** Nobody else publishes there meanwhile. */
export function publishAlone(tree: SimulatedTree, machine: Machine, stream: StreamPlan, count: number): void {
  machine.isReserved = false;
  tree.publish(machine, stream, count);
  machine.isReserved = true;
}

/** How far `parent` has the machine's messages of that stream; undefined when one of them does not run. */
export async function handedOn(
  machine: Machine,
  parent: Machine,
  { name }: StreamPlan,
): Promise<{ readonly given: number; readonly has: number } | undefined> {
  if (machine.life === undefined || parent.life === undefined) return undefined;
  const isSame = ({ origin, epoch, stream }: LedgerRow): boolean =>
    origin === machine.name && epoch === machine.epoch && stream === name;
  const [own, above] = [(await machine.ledger()).find(isSame), (await parent.ledger()).find(isSame)];
  return { given: own?.high ?? 0, has: highestOf(above?.ranges ?? []) };
}

/** Whether a segment there ends where the parent's highest one does, with as many messages, and stamped by the tree's time. */
async function canBeTold(tree: SimulatedTree, { name, life }: Machine, parent: string | undefined): Promise<boolean> {
  const above = parent === undefined ? undefined : tree.machine(parent).life;
  if (life === undefined || above === undefined) return false;
  const { segments } = await life.store.read("after", { id: 0, bytesMax: Number.POSITIVE_INFINITY });
  const own = segments.filter(({ origin, body, clock }) => origin === name && body !== null && clock === 0);
  const holds = await above.store.read("holdings", { node: name });
  return holds.some(({ epoch, streamId, mark }) =>
    own.some(
      (segment) =>
        segment.epoch === epoch &&
        segment.streamId === streamId &&
        segment.first + segment.items - 1 === mark?.last &&
        segment.items === mark.items &&
        segment.crc !== mark.crc,
    ),
  );
}
