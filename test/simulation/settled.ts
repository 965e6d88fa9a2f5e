// What must hold when every fault has been mended and everything has drained: each message that was acknowledged is at the root once, as
// it was published, or named as lost for a reason that fits; and the root's ledger says exactly that.
import type { GapRow, LedgerRow } from "#shared/journal/ledger.ts";
import { keysOf, numberKey } from "./numbered.ts";
import type { StreamPlan } from "./plan.ts";
import { nameMessage } from "./publishers.ts";
import type { SimulatedTree } from "./simulated-tree.ts";

/** A number that the root names as lost. */
interface LostNumber {
  readonly key: string;
  readonly reason: GapRow["reason"];
}

export type Losses = Readonly<Partial<Record<GapRow["reason"], number>>>;

/** Answers sentences that say what does not hold. */
export async function settledFaults(tree: SimulatedTree): Promise<readonly string[]> {
  const entries = (await tree.root.life?.store.read("accounting", {})) ?? [];
  const documents = await tree.store.documents.findData({ limit: 1e9 });
  const stored = new Map(
    documents.map(({ origin, epoch, stream, seq, payload }) => [numberKey(origin, epoch, stream, seq), payload]),
  );
  const lost = new Map<string, LostNumber["reason"]>();
  for (const { row, gaps } of entries) {
    for (const { first, last, reason } of gaps) for (const key of keysOf(row, first, last)) lost.set(key, reason);
  }
  return [
    ...storedFaults(tree, stored),
    ...entries.flatMap(({ row }) => ledgerFaults(row, stored, lost)),
    ...[...lost].flatMap(([key, reason]) => reasonFaults(tree, { key, reason })),
    ...missingFaults(tree, stored, lost),
  ];
}

/** Messages that the root names as lost, by reason. */
export async function lossesOf(tree: SimulatedTree): Promise<Losses> {
  const losses: Partial<Record<GapRow["reason"], number>> = {};
  for (const { reason, messages } of (await tree.root.life?.store.read("losses", {})) ?? [])
    losses[reason] = (losses[reason] ?? 0) + messages;
  return losses;
}

/** What the root has is what was published, once; twice only what a node has numbered anew. */
function storedFaults(tree: SimulatedTree, stored: ReadonlyMap<string, Uint8Array>): readonly string[] {
  const { numbered, publishers } = tree;
  const faults: string[] = [];
  const keys = new Map<string, string[]>();
  for (const [key, payload] of stored) {
    const message = nameMessage(payload);
    if (numbered.messages.get(key)?.includes(message) !== true)
      faults.push(`[O2] the root has ${key}, which is not ${message}`);
    if (Buffer.compare(payload, publishers.payloadOf(message)) !== 0)
      faults.push(`[O2] ${key}: the payload is not that of ${message}`);
    keys.set(message, [...(keys.get(message) ?? []), key]);
  }
  for (const [message, among] of keys) {
    const firsts = among.filter((key) => !numbered.renumbered.has(key));
    if (firsts.length > 1) faults.push(`[O2] ${message} is stored ${among.length} times: ${among.join(", ")}`);
  }
  return faults;
}

/** The ledger counts what is there: stored + lost + missing = highest number, each of them counted anew. */
function ledgerFaults(
  row: LedgerRow,
  stored: ReadonlyMap<string, Uint8Array>,
  lost: ReadonlyMap<string, GapRow["reason"]>,
): readonly string[] {
  const keys = keysOf(row, 1, row.high);
  const [isStored, isLost] = [keys.filter((key) => stored.has(key)), keys.filter((key) => lost.has(key))];
  const faults: string[] = [];
  const where = `${row.origin}/${row.stream} of epoch ${row.epoch}`;
  // What is damaged in the journal after the document store has got it, and before that was known, counts as lost.
  const both = isStored.filter((key) => lost.get(key) === "corrupt");
  if (isStored.length - both.length !== row.delivered)
    faults.push(`[O3] ${where}: ${isStored.length} are stored, ${row.delivered} are counted as delivered`);
  if (isLost.length !== row.lost)
    faults.push(`[O3] ${where}: ${isLost.length} are in gaps, ${row.lost} are counted as lost`);
  const neither = isStored.filter((key) => lost.has(key) && !both.includes(key));
  if (neither.length > 0) faults.push(`[O3] ${neither.slice(0, 5).join(", ")}: stored, and named as lost`);
  return faults;
}

/** Whether what is named as lost was lost in that way. */
function reasonFaults(tree: SimulatedTree, { key, reason }: LostNumber): readonly string[] {
  const { numbered, plan, machines, store } = tree;
  const [origin = "", epoch = "", name = ""] = key.split(" ");
  const stream = plan.streams.find((one) => one.name === name);
  const messages = numbered.messages.get(key) ?? [];
  const keys = messages.flatMap((message) => numbered.numbers.get(message) ?? []);
  // A node that may be an older copy gives its numbers anew; so does one that finds what it never sent at its parent.
  const isDoubtful =
    tree.shared.has(`${origin} ${epoch}`) || machines.some((one) => one.name === origin && one.wasUnaware);
  const fits: Readonly<Record<GapRow["reason"], () => boolean>> = {
    evicted: () => stream?.policy === "oldest" || stream?.policy === "decimate",
    expired: () => stream?.maxAgeMs !== undefined,
    corrupt: () => [key, ...keys].some((one) => tree.rotten.has(one)),
    rejected: () => store.refused.has(key),
    // An origin's own messages of class final may give way while its parent has them, and the parent may lose them after that.
    "presumed-lost": () => isDoubtful || (stream?.class === "final" && mayGiveWay(stream)),
    renumbered: () => isDoubtful,
    // Its document store keeps what it has.
    "store-lost": () => false,
    "kept-below": () => false,
  };
  return fits[reason]() ? [] : [`[O1] ${key} (${messages.join(", ")}) is named as ${reason}, which it was not`];
}

function mayGiveWay({ policy, maxAgeMs }: StreamPlan): boolean {
  return policy !== "newest" || maxAgeMs !== undefined;
}

/**
 * Numbers that stand for messages which an older copy had given up before it was known as one, under numbers of its lost original: their
 * messages had other numbers. By origin and stream, how many there are.
 */
function namedAnew({ numbered }: SimulatedTree, lost: ReadonlyMap<string, GapRow["reason"]>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [key, reason] of lost) {
    if (reason === "renumbered" || reason === "presumed-lost" || numbered.messages.has(key)) continue;
    const [origin = "", , stream = ""] = key.split(" ");
    counts.set(`${origin}/${stream}`, (counts.get(`${origin}/${stream}`) ?? 0) + 1);
  }
  return counts;
}

function missingFaults(
  tree: SimulatedTree,
  stored: ReadonlyMap<string, Uint8Array>,
  lost: ReadonlyMap<string, GapRow["reason"]>,
): readonly string[] {
  const { numbered, publishers, forgiven, machines } = tree;
  const anew = namedAnew(tree, lost);
  const messages = new Set([...stored.values()].map(nameMessage));
  const faults: string[] = [];
  for (const message of publishers.acknowledged) {
    const keys = numbered.numbers.get(message) ?? [];
    // What was numbered anew has another number that says what has become of it.
    const isNamed = keys.some((key) => lost.has(key) && lost.get(key) !== "renumbered");
    if (messages.has(message) || isNamed || forgiven.has(message)) continue;
    const [id = "", stream = ""] = (message.split(" ")[0] ?? "").split("/");
    const name = `${machines.find((machine) => machine.id === id)?.name ?? id}/${stream}`;
    const left = anew.get(name) ?? 0;
    anew.set(name, left - 1);
    if (left > 0) continue;
    faults.push(`[O1] ${message} (${keys.join(", ")}) was acknowledged and is missing`);
  }
  return faults;
}
