// After the killing: waits until everything that was accepted is at the cloud, by the ledgers of all nodes.
import type { AccountingReport } from "#shared/reports.ts";
import { isSameStream } from "./ledger-watch.ts";
import { eventually } from "./node-under-test.ts";
import type { Member, TortureTree } from "./torture-tree.ts";

const drainMsMax = 120_000;

/** Answers how long it took; rejects with what is left when it takes too long. */
export async function drained(tree: TortureTree): Promise<number> {
  const startMs = performance.now();
  await eventually(
    () => remaining(tree),
    (left) => left.length === 0,
    drainMsMax,
  );
  return performance.now() - startMs;
}

async function remaining(tree: TortureTree): Promise<readonly string[]> {
  const left: string[] = [];
  const atCloud = await tree.cloud.node.accounting();
  for (const source of [...tree.devices, ...tree.fogs]) {
    const own = await source.node.accounting(source.node.name);
    if (own.length === 0) left.push(`${source.node.name} has no ledger of its own`);
    const atParent = await source.parent?.node.accounting(source.node.name);
    for (const row of own) {
      if (row.pending !== 0 || row.stored !== row.next - 1) left.push(describe(source, row));
      left.push(...unsettled(tree.cloud, row, atCloud, true));
      if (source.parent !== undefined && source.parent !== tree.cloud)
        left.push(...unsettled(source.parent, row, atParent ?? [], false));
    }
  }
  for (const fog of tree.fogs) {
    // A fog that a device has left knows its numbers as of then: only what it holds counts.
    for (const row of await fog.node.accounting()) if (row.here !== 0) left.push(describe(fog, row));
  }
  return left;
}

function unsettled(
  above: Member,
  own: AccountingReport,
  rows: readonly AccountingReport[],
  isRoot: boolean,
): readonly string[] {
  const row = rows.find((other) => isSameStream(other, own));
  if (row === undefined) return own.next === 1 ? [] : [`${above.node.name} does not know ${own.origin}/${own.stream}`];
  if (row.next !== own.next) return [describe(above, row)];
  // A fog counts what went past it as elsewhere; the root has all of it.
  return row.pending !== 0 || (isRoot && row.stored !== row.next - 1) ? [describe(above, row)] : [];
}

function describe({ node }: Member, row: AccountingReport): string {
  return `${node.name}: ${JSON.stringify(row)}`;
}
