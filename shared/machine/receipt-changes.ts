// What has changed from one receipt of a message to the next, so that each result goes upward once, whatever is reported how often.
import { encodeCbor } from "../cbor.ts";
import type { NodeName } from "../ids.ts";
import { toCborValue } from "./plain-value.ts";
import { matchedOf, type Adopted, type Detached, type NodeResult, type Receipt, type Unheard } from "./receipt.ts";

/** What stood in the lists of the receipt before and stands there no more. */
export interface Gone {
  readonly results: readonly NodeName[];
  /** A node, and where it was waited for. */
  readonly waiting: readonly (readonly [NodeName, NodeName])[];
  readonly adopted: readonly NodeName[];
  readonly detached: readonly NodeName[];
}

export const nothingGone: Gone = { results: [], waiting: [], adopted: [], detached: [] };

/** Everything but the lists is that of the receipt itself; the lists are what is new in them or different. */
export interface Changes {
  readonly receipt: Receipt;
  readonly gone: Gone;
}

export function changesBetween(before: Receipt, after: Receipt): Changes {
  const results = compare(before.results, after.results, ofNode, isSameResult);
  const waiting = compare(
    before.waiting,
    after.waiting,
    ofUnheard,
    (a, b) => a.sinceMs === b.sinceMs && a.hasLeft === b.hasLeft,
  );
  const adopted = compare(before.adopted, after.adopted, ofNode, (a, b) => a.atMs === b.atMs);
  const detached = compare(before.detached, after.detached, ofNode, isSameDetached);
  const receipt = {
    ...after,
    results: results.changed,
    waiting: waiting.changed,
    adopted: adopted.changed,
    detached: detached.changed,
  };
  const gone: Gone = {
    results: results.gone.map(ofNode),
    waiting: waiting.gone.map(({ node, at }) => [node, at]),
    adopted: adopted.gone.map(ofNode),
    detached: detached.gone.map(ofNode),
  };
  return { receipt, gone };
}

/** The inverse: `withChanges(a, changesBetween(a, b))` says what `b` says, in another order perhaps. */
export function withChanges(before: Receipt, { receipt, gone }: Changes): Receipt {
  return {
    ...receipt,
    results: applied(before.results, receipt.results, gone.results, ofNode),
    waiting: applied(before.waiting, receipt.waiting, gone.waiting.map(placeOf), ofUnheard),
    adopted: applied(before.adopted, receipt.adopted, gone.adopted, ofNode),
    detached: applied(before.detached, receipt.detached, gone.detached, ofNode),
  };
}

function compare<T>(
  before: readonly T[],
  after: readonly T[],
  keyOf: (entry: T) => string,
  isSame: (a: T, b: T) => boolean,
): { readonly changed: readonly T[]; readonly gone: readonly T[] } {
  if (before === after || before.length === 0) return { changed: before === after ? [] : after, gone: [] };
  const left = new Map(before.map((entry) => [keyOf(entry), entry]));
  const changed: T[] = [];
  for (const entry of after) {
    const key = keyOf(entry);
    const known = left.get(key);
    left.delete(key);
    if (known === undefined || (known !== entry && !isSame(known, entry))) changed.push(entry);
  }
  return { changed, gone: [...left.values()] };
}

function applied<T>(
  before: readonly T[],
  changed: readonly T[],
  gone: readonly string[],
  keyOf: (entry: T) => string,
): readonly T[] {
  if (changed.length + gone.length === 0) return before;
  if (before.length === 0) return changed;
  const entries = new Map(before.map((entry) => [keyOf(entry), entry]));
  for (const key of gone) entries.delete(key);
  for (const entry of changed) entries.set(keyOf(entry), entry);
  return [...entries.values()];
}

function ofNode({ node }: NodeResult | Adopted | Detached): NodeName {
  return node;
}

/** One node may be waited for in two places. */
function ofUnheard({ node, at }: Unheard): string {
  return placeOf([node, at]);
}

/** No name has a slash. */
function placeOf([node, at]: readonly [NodeName, NodeName]): string {
  return `${node}/${at}`;
}

/** Of what was said at one time, only what has been heard elsewhere since goes. */
function isSameDetached(a: Detached, b: Detached): boolean {
  const [one, other] = [a.receipt, b.receipt];
  const isAsMuch = one.results.length === other.results.length && one.waiting.length === other.waiting.length;
  return a.heardMs === b.heardMs && isAsMuch && matchedOf(one.counts) === matchedOf(other.counts);
}

/** A neighbour that repeats all that it said makes new objects of old results. */
function isSameResult(a: NodeResult, b: NodeResult): boolean {
  if (a.status !== b.status || a.reason !== b.reason) return false;
  return a.value === b.value || bytesOf(a) === bytesOf(b);
}

function bytesOf({ value }: NodeResult): string {
  return value === undefined ? "" : encodeCbor(toCborValue(value)).join();
}
