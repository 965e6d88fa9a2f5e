// What a neighbour has told of single nodes stays told. One that was started anew says all it knows again, and may not know of nodes that
// have moved away or are off: their outcomes stand as it told them before.
import { bounded, within, type Bounds } from "./merge-receipts.ts";
import { isFinalStatus, matchedOf, type NodeResult, type Receipt } from "./receipt.ts";

/** `said` now, by one that had told `told` before. Without all names, where a receipt is too large for them, the fuller one counts. */
export function withTold(said: Receipt, told: Receipt, bounds: Bounds): Receipt {
  if ([said, told, ...said.detached.map(({ receipt }) => receipt)].some(({ omitted }) => omitted > 0))
    return closed(said, fuller(said, told));
  const lostNow = said.detached.flatMap(({ receipt }) => receipt.results.filter(isOver).map(nameOf));
  const elsewhere = new Set(lostNow);
  const results = new Map(said.results.map((result) => [result.node, result]));
  const counts = { ...said.counts };
  for (const result of told.results) {
    if (!isOver(result) || elsewhere.has(result.node)) continue;
    const now = results.get(result.node);
    if (now !== undefined) counts[now.status]--;
    counts[result.status]++;
    results.set(result.node, result);
  }
  const claimed = new Set(said.adopted.map(nameOf));
  const adopted = told.adopted.filter(({ node }) => !claimed.has(node) && !elsewhere.has(node) && results.has(node));
  const gone = new Set(said.detached.map(nameOf));
  const lost = told.detached
    .map((one) => ({ ...one, receipt: ended(one.receipt) }))
    .filter(({ node, receipt }) => matchedOf(receipt.counts) > 0 && !gone.has(node) && !results.has(node));
  const all = {
    ...said,
    counts,
    results: [...results.values()],
    waiting: said.waiting.filter(({ node }) => !isHeard(results.get(node))),
    adopted: [...said.adopted, ...adopted],
    detached: [...said.detached, ...lost],
  };
  return closed(said, bounded(within(all, bounds), bounds));
}

/** Nothing is waited for where all who were have been heard. */
function closed(said: Receipt, receipt: Receipt): Receipt {
  if (said.waiting.length === receipt.waiting.length) return receipt;
  const { complete, settled, waiting, unnamed, detached } = receipt;
  const isOpen = !settled || waiting.length + unnamed > 0 || detached.some((one) => !one.receipt.complete);
  return complete || isOpen ? receipt : { ...receipt, complete: true };
}

/** Its outcomes, without what has not ended. */
function ended(receipt: Receipt): Receipt {
  if (receipt.complete) return receipt;
  const counts = { ...receipt.counts, queued: 0, started: 0 };
  const results = receipt.results.filter(isOver);
  const omitted = Math.max(0, matchedOf(counts) - results.length);
  return { ...receipt, counts, results, omitted, waiting: [], unnamed: 0, complete: true, settled: true };
}

function fuller(said: Receipt, told: Receipt): Receipt {
  const over = ended(told);
  const all = [said, ...said.detached.map(({ receipt }) => receipt)];
  if (all.reduce((sum, { counts }) => sum + matchedOf(counts), 0) >= matchedOf(over.counts)) return said;
  const heard = new Set(over.results.map(nameOf));
  const waiting = said.waiting.filter(({ node }) => !heard.has(node));
  const { complete, settled, unnamed } = said;
  return { ...over, waiting, unnamed, complete, settled };
}

function isOver({ status }: NodeResult): boolean {
  return isFinalStatus(status);
}

function nameOf<Name>({ node }: { readonly node: Name }): Name {
  return node;
}

function isHeard(result: NodeResult | undefined): boolean {
  return result !== undefined && isFinalStatus(result.status);
}
