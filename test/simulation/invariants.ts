// What must hold in every history: some of it at any moment, all of it when every fault has been mended and everything has drained.
// Each check answers sentences that say what does not hold.
import { addInterval, missingFrom, type IntervalSet } from "#shared/journal/interval-set.ts";
import { isBalanced, missingOf, type LedgerRow } from "#shared/journal/ledger.ts";
import { limits } from "#shared/limits.ts";
import type { Machine } from "./machine.ts";
import { forgedNumber } from "./forged-frames.ts";
import { keysOf, numberKey } from "./numbered.ts";
import type { SimulatedTree } from "./simulated-tree.ts";

/** A write-ahead log may be so much larger than where it is moved into the file: what one commit writes. */
const commitBytesMax = 4 * 1024 * 1024;
const logBytesMax = 4 * 1024 * 1024;

/** Looks at a tree from time to time and remembers what it saw. */
export class Watch {
  readonly #tree: SimulatedTree;
  /** Highest own numbers, by origin, epoch and stream. */
  readonly #highs = new Map<string, number>();
  looks = 0;

  constructor(tree: SimulatedTree) {
    this.#tree = tree;
    tree.watchFrames();
  }

  /** At any moment. `deep`: also what needs the segments themselves. */
  async look(deep: boolean): Promise<readonly string[]> {
    this.looks++;
    const { numbered, machines, overtaking, takenOnce, traffic } = this.#tree;
    // Until its parent tells it, a node that cannot see that its disk is an older one gives some numbers again.
    const canSee = (origin: string): boolean => !machines.some(({ name, wasUnaware }) => name === origin && wasUnaware);
    const faults: string[] = numbered.twice
      .filter(({ origin }) => canSee(origin))
      .map(({ text }) => `[O4] two messages of one number: ${text}`);
    faults.push(...overtaking.faults, ...takenOnce.faults, ...traffic.look());
    for (const machine of this.#tree.machines) {
      for (const row of await machine.ledger()) faults.push(...this.#rowFaults(machine, row));
      faults.push(...sizeFaults(machine));
    }
    if (deep) {
      for (const machine of this.#tree.machines) faults.push(...(await forgottenFaults(this.#tree, machine)));
    }
    return faults;
  }

  #rowFaults({ id, generation }: Machine, row: LedgerRow): readonly string[] {
    const { origin, epoch, stream, high, ranges } = row;
    const where = `${id}, ${origin}/${stream} of epoch ${epoch}`;
    const faults: string[] = [];
    if (!isBalanced(row)) {
      const { delivered, lost, held } = row;
      faults.push(`[O3] ${where}: ${delivered} + ${lost} + ${held} + ${missingOf(row)} is not ${high}`);
    }
    if (high >= forgedNumber) faults.push(`[O11] ${where}: a frame of an older session was listened to`);
    if (ranges.length > limits.rangesOnWire) faults.push(`[O6] ${where}: ${ranges.length} ranges`);
    if (!isProper(ranges, high)) faults.push(`[O6] ${where}: ranges ${JSON.stringify(ranges)} up to ${high}`);
    const key = `${id} ${generation} ${origin} ${epoch} ${stream}`;
    const before = this.#highs.get(key) ?? 0;
    if (high < before) faults.push(`[O4] ${where}: the highest number was ${before} and is ${high}`);
    this.#highs.set(key, high);
    return faults;
  }
}

/** Sorted, disjoint, not adjacent, and within what was numbered. */
function isProper(ranges: IntervalSet, high: number): boolean {
  return ranges.every(([first, last], index) => {
    const before = ranges[index - 1];
    return first >= 1 && first <= last && last <= high && (before === undefined || first > before[1] + 1);
  });
}

function sizeFaults({ id, disk, plan }: Machine): readonly string[] {
  const { database, log } = disk.sizes();
  const faults: string[] = [];
  if (database > plan.maxBytes) faults.push(`[O7] ${id}: the database has ${database} of ${plan.maxBytes} bytes`);
  if (log > logBytesMax + commitBytesMax) faults.push(`[O7] ${id}: the write-ahead log has ${log} bytes`);
  return faults;
}

/** What a node has had of its own and holds no more must have been taken in by another one. */
async function forgottenFaults(tree: SimulatedTree, machine: Machine): Promise<readonly string[]> {
  const { life } = machine;
  if (life === undefined || machine === tree.root) return [];
  const { segments } = await life.store.read("after", { id: 0, bytesMax: Number.POSITIVE_INFINITY });
  const faults: string[] = [];
  for (const row of machine.lastLedger.filter(({ origin }) => origin === machine.name)) {
    const isSame = (other: { readonly origin: string; readonly epoch: number; readonly streamId: number }): boolean =>
      other.origin === row.origin && other.epoch === row.epoch && other.streamId === row.streamId;
    const others = tree.machines.filter((other) => other !== machine).flatMap(({ lastLedger }) => lastLedger);
    const elsewhere = others.filter(isSame).reduce(union, [] as IntervalSet);
    const here = segments
      .filter(isSame)
      .reduce((set, { first, items }) => addInterval(set, first, first + items - 1), elsewhere);
    const nowhere = row.ranges
      .flatMap(([first, last]) => missingFrom(here, first, last))
      .flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, at) => first + at))
      .filter((number) => !tree.vanished.has(numberKey(row.origin, row.epoch, row.stream, number)));
    if (nowhere.length > 0)
      faults.push(`[O5] ${machine.id}/${row.stream}: ${JSON.stringify(nowhere)} deleted, and nobody else has them`);
  }
  return faults;
}

function union(set: IntervalSet, { ranges }: LedgerRow): IntervalSet {
  return ranges.reduce((sum, [first, last]) => addInterval(sum, first, last), set);
}

/** Why the tree has not drained yet, or undefined. `refused`: numbers that may still be held at the root. */
export async function pendingIn(tree: SimulatedTree, refused: ReadonlySet<string>): Promise<string | undefined> {
  const root = await tree.root.ledger();
  for (const machine of tree.machines.filter(({ isResting }) => !isResting)) {
    if (machine.life === undefined) return `${machine.id} does not run`;
    for (const row of await machine.ledger()) {
      const { origin, stream, epoch, held, high } = row;
      const above = root.find((other) => other.origin === origin && other.epoch === epoch && other.stream === stream);
      const isElsewhere = tree.machines.some(({ name, isResting }) => isResting && name === origin);
      const mayHold = machine === tree.root ? holdsOnly(machine, refused) : waitsForMark(row, refused, isElsewhere);
      if (held > 0 && !mayHold)
        return `${machine.id} holds ${held} of ${origin}/${stream} of epoch ${epoch}${describe(row, above)}`;
      if (origin === machine.name && high > (above?.high ?? 0))
        return `the root knows ${above?.high ?? 0} of ${origin}/${stream} of epoch ${epoch}, ${high} have been given`;
      const unheard = unheardOf(tree, machine, row, above);
      if (unheard.length > 0) return `${machine.id} has not told the root of ${unheard.slice(0, 10).join(", ")}`;
      const missing =
        machine === tree.root && !isElsewhere ? numbersMissing(row).filter((key) => !tree.vanished.has(key)) : [];
      if (missing.length > 0) return `the root misses ${missing.slice(0, 10).join(", ")}`;
    }
  }
  return undefined;
}

/** What a node has given up of its own is named at the root, also while another one of its name is put aside. */
function unheardOf(
  tree: SimulatedTree,
  machine: Machine,
  row: LedgerRow,
  above: LedgerRow | undefined,
): readonly string[] {
  if (row.origin !== machine.name || machine === tree.root) return [];
  return row.ranges
    .flatMap(([first, last]) => missingFrom(above?.ranges ?? [], first, last))
    .flatMap(([first, last]) => keysOf(row, first, last))
    .filter((key) => !tree.vanished.has(key));
}

function describe({ handed = 0, finalMark = 0 }: LedgerRow, above: LedgerRow | undefined): string {
  const marks = `${handed} handed on, final up to ${finalMark}`;
  return `: ${marks}; the root has ${JSON.stringify(above?.ranges ?? [])} up to ${above?.high ?? 0}, final up to ${above?.finalMark ?? 0}`;
}

function holdsOnly(machine: Machine, keys: ReadonlySet<string>): boolean {
  return machine.held().every(({ key }) => keys.has(key));
}

/**
 * The root's mark does not pass what the document store has not taken, nor what another node of that name still has, which is put aside.
 * The numbers of gaps are handed on as well, and not held.
 */
function waitsForMark(
  { origin, epoch, stream, held, handed = 0 }: LedgerRow,
  refused: ReadonlySet<string>,
  isElsewhere: boolean,
): boolean {
  if (held > handed) return false;
  return isElsewhere || [...refused].some((key) => key.startsWith(`${origin} ${epoch} ${stream} `));
}

function numbersMissing({ origin, epoch, stream, high, ranges }: LedgerRow): readonly string[] {
  if (high === 0) return [];
  return missingFrom(ranges, 1, high).flatMap(([first, last]) => keysOf({ origin, epoch, stream }, first, last));
}
