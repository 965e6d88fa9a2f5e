// What must hold in every history: some of it at any moment, all of it when every fault has been mended and everything has drained.
// Each check answers sentences that say what does not hold.
import { addInterval, missingFrom, type IntervalSet } from "#shared/journal/interval-set.ts";
import { isBalanced, missingOf, type LedgerRow } from "#shared/journal/ledger.ts";
import type { Machine } from "./machine.ts";
import { numberKey } from "./numbered.ts";
import { nameMessage } from "./publishers.ts";
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
    tree.watchOvertaking();
  }

  /** At any moment. `deep`: also what needs the segments themselves. */
  async look(deep: boolean): Promise<readonly string[]> {
    this.looks++;
    const { numbered, hasCopies } = this.#tree;
    const faults: string[] = hasCopies ? [] : numbered.twice.map((text) => `[O4] two messages of one number: ${text}`);
    faults.push(...this.#tree.overtaking.faults);
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
    const nowhere = row.ranges.flatMap(([first, last]) => missingFrom(here, first, last));
    if (nowhere.length > 0)
      faults.push(`[O5] ${machine.id}/${row.stream}: ${JSON.stringify(nowhere)} deleted, and nobody else has them`);
  }
  return faults;
}

function union(set: IntervalSet, { ranges }: LedgerRow): IntervalSet {
  return ranges.reduce((sum, [first, last]) => addInterval(sum, first, last), set);
}

/** Why the tree has not drained yet, or undefined. */
export async function pendingIn(tree: SimulatedTree): Promise<string | undefined> {
  const root = await tree.root.ledger();
  for (const machine of tree.machines.filter(({ isResting }) => !isResting)) {
    if (machine.life === undefined) return `${machine.id} does not run`;
    for (const row of await machine.ledger()) {
      const { origin, stream, epoch, held, high } = row;
      if (held > 0) return `${machine.id} holds ${held} of ${origin}/${stream}`;
      const above = root.find((other) => other.origin === origin && other.epoch === epoch && other.stream === stream);
      if (origin === machine.name && high > (above?.high ?? 0))
        return `the root knows ${above?.high ?? 0} of ${origin}/${stream}, ${high} have been given`;
      if (machine === tree.root && missingOf(row) > 0)
        return `the root misses ${missingOf(row)} of ${origin}/${stream}`;
    }
  }
  return undefined;
}

/** When everything has drained: every acknowledged message is at the root once, as it was published, or named as lost. */
export async function settledFaults(tree: SimulatedTree): Promise<readonly string[]> {
  const { numbered, publishers } = tree;
  const faults: string[] = [];
  /** Messages to the numbers under which they are stored. */
  const stored = new Map<string, string[]>();
  for (const { origin, epoch, stream, seq, payload } of await tree.store.documents.findData({ limit: 1e9 })) {
    const key = numberKey(origin, epoch, stream, seq);
    const message = nameMessage(payload);
    // What was stored on a copied disk goes on under other numbers.
    if (numbered.messages.get(key)?.includes(message) !== true && !tree.hasCopies)
      faults.push(`[O2] the root has ${key}, which is not ${message}`);
    if (Buffer.compare(payload, publishers.payloadOf(message)) !== 0)
      faults.push(`[O2] ${key}: the payload is not that of ${message}`);
    stored.set(message, [...(stored.get(message) ?? []), key]);
  }
  const isIn = (keys: ReadonlySet<string>, message: string): boolean =>
    (numbered.numbers.get(message) ?? []).some((key) => keys.has(key));
  for (const [message, keys] of stored) {
    if (keys.length > 1 && !isIn(tree.repeatable, message))
      faults.push(`[O2] ${message} is stored ${keys.length} times: ${keys.join(", ")}`);
  }
  const lost = await namedAsLost(tree);
  for (const message of publishers.acknowledged) {
    if (stored.has(message) || isIn(lost, message) || isIn(tree.forgiven, message)) continue;
    faults.push(`[O1] ${message} (${numbered.numbers.get(message)?.join(", ")}) was acknowledged and is missing`);
  }
  return faults;
}

/** Numbers that lie in gaps that the root knows. */
async function namedAsLost(tree: SimulatedTree): Promise<ReadonlySet<string>> {
  const entries = (await tree.root.life?.store.read("accounting", {})) ?? [];
  const keys = new Set<string>();
  for (const { row, gaps } of entries) {
    for (const { first, last } of gaps) {
      for (let number = first; number <= last; number++) keys.add(numberKey(row.origin, row.epoch, row.stream, number));
    }
  }
  return keys;
}
