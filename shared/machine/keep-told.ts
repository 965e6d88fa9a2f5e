// What a neighbour has told of single nodes stays told. One that was started anew says all it knows again, and may not know of nodes that
// have moved away or are off: their outcomes stand as it told them before.
import { within, type Bounds } from "./merge-receipts.ts";
import { isFinalStatus, matchedOf, type NodeResult, type Receipt } from "./receipt.ts";

/** `said` now, by one that had told `told` before. Without all names, where a receipt is too large for them, the fuller one counts. */
export function withTold(said: Receipt, told: Receipt, bounds: Bounds): Receipt {
  if (said.omitted + told.omitted > 0) return fuller(said, told);
  const elsewhere = new Set(said.detached.flatMap(({ node, receipt }) => [node, ...receipt.results.map(nameOf)]));
  const results = new Map(said.results.map((result) => [result.node, result]));
  const counts = { ...said.counts };
  for (const result of told.results) {
    if (!isFinalStatus(result.status) || elsewhere.has(result.node)) continue;
    const now = results.get(result.node);
    if (now !== undefined) counts[now.status]--;
    counts[result.status]++;
    results.set(result.node, result);
  }
  const claimed = new Set(said.adopted.map(nameOf));
  const adopted = told.adopted.filter(({ node }) => !claimed.has(node) && !elsewhere.has(node) && results.has(node));
  const lost = told.detached.filter(
    ({ node, receipt }) => receipt.complete && !elsewhere.has(node) && !results.has(node),
  );
  return within(
    {
      ...said,
      counts,
      results: [...results.values()],
      waiting: said.waiting.filter(({ node }) => !isHeard(results.get(node))),
      adopted: [...said.adopted, ...adopted],
      detached: [...said.detached, ...lost],
    },
    bounds,
  );
}

function fuller(said: Receipt, told: Receipt): Receipt {
  if (!told.complete || matchedOf(said.counts) >= matchedOf(told.counts)) return said;
  const heard = new Set(told.results.map(nameOf));
  const waiting = said.waiting.filter(({ node }) => !heard.has(node));
  const { complete, settled, unnamed } = said;
  return { ...told, waiting, unnamed, complete, settled };
}

function nameOf<Name>({ node }: { readonly node: Name }): Name {
  return node;
}

function isHeard(result: NodeResult | undefined): boolean {
  return result !== undefined && isFinalStatus(result.status);
}
