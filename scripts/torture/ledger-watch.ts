// Looks at the ledgers of all living nodes again and again: each must sum up at every moment [O3], no number may go back, also
// across kills [O4], and what a device says it has handed on must be above it [O5].
import type { AccountingReport } from "#shared/reports.ts";
import type { Member, TortureTree } from "./torture-tree.ts";

export interface LedgerWatch {
  /** Ledgers that were read. */
  samples(): number;
  /** Comparisons of what a device has handed on with what is above it. */
  handOnChecks(): number;
  /** Duplicates dropped by all nodes, as far as they told before they were killed. */
  duplicates(): number;
  readonly faults: readonly string[];
  /** Reads all once more and ends. */
  stop(): Promise<void>;
}

const roundMs = 250;

export function watchLedgers(tree: TortureTree): LedgerWatch {
  const faults: string[] = [];
  const stop = new AbortController();
  const earlier = new Map<string, AccountingReport>();
  const duplicatesByLife = new Map<string, number>();
  let samples = 0;
  let handOnChecks = 0;
  const finished = run();
  return {
    samples: () => samples,
    handOnChecks: () => handOnChecks,
    duplicates: () => [...duplicatesByLife.values()].reduce((sum, count) => sum + count, 0),
    faults,
    async stop() {
      stop.abort();
      await finished;
      await look();
    },
  };

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, roundMs));
    }
  }

  /** From below upward: what leaves a node while we look is met again further up. */
  async function look(): Promise<void> {
    const ledgers = new Map<Member, readonly AccountingReport[]>();
    for (const level of [tree.devices, tree.fogs, [tree.cloud]]) {
      await Promise.all(
        level.map(async (member) => {
          const rows = await ledgerOf(member);
          if (rows !== undefined) ledgers.set(member, rows);
        }),
      );
    }
    for (const device of tree.devices) compareWithAbove(device, ledgers);
  }

  /** Undefined while it cannot be asked. */
  async function ledgerOf(member: Member): Promise<readonly AccountingReport[] | undefined> {
    const { node } = member;
    if (!node.isRunning()) return undefined;
    try {
      const rows = await node.accounting();
      samples++;
      for (const row of rows) check(node.name, row);
      const { node: self, counters } = await node.status();
      duplicatesByLife.set(`${node.name}/${self.pid}`, counters["children.duplicates"] ?? 0);
      return rows;
    } catch {
      return undefined; // killed while it was asked, or not up yet
    }
  }

  function check(node: string, row: AccountingReport): void {
    const key = `${node}: ${row.origin}/${row.epoch}/${row.stream}`;
    const before = earlier.get(key);
    earlier.set(key, row);
    if (!row.balanced || sumOf(row) !== row.next - 1)
      faults.push(`${key}: the ledger does not sum up: ${JSON.stringify(row)}`);
    if (row.lost > 0) faults.push(`${key}: ${row.lost} named as lost`);
    if (before === undefined) return;
    if (before.next > row.next) faults.push(`${key}: next went back from ${before.next} to ${row.next}`);
    // In between a node may take again what it has handed on before; where a message begins and ends it may not.
    const isEnd = node === row.origin || node === tree.cloud.node.name;
    if (isEnd && before.stored > row.stored)
      faults.push(`${key}: stored went back from ${before.stored} to ${row.stored}`);
  }

  function compareWithAbove(device: Member, ledgers: ReadonlyMap<Member, readonly AccountingReport[]>): void {
    const own = ledgers.get(device)?.filter(({ origin }) => origin === device.node.name);
    const above = [...tree.fogs, tree.cloud].map((member) => ledgers.get(member));
    if (own === undefined || above.includes(undefined)) return;
    for (const row of own) {
      const same = above.flatMap((rows) => rows ?? []).filter((other) => isSameStream(other, row));
      // A message on its way may be counted at two nodes, never at none.
      const atRoot = ledgers.get(tree.cloud)?.find((other) => isSameStream(other, row))?.stored ?? 0;
      const found = same.reduce((sum, { here }) => sum + here, atRoot);
      handOnChecks++;
      if (found < row.stored)
        faults.push(
          `${device.node.name}/${row.epoch}/${row.stream}: ${row.stored} handed on, only ${found} found above it`,
        );
    }
  }
}

export function isSameStream(a: AccountingReport, b: AccountingReport): boolean {
  return a.origin === b.origin && a.epoch === b.epoch && a.stream === b.stream;
}

function sumOf(row: AccountingReport): number {
  return row.stored + row.lost + row.here + row.below + row.elsewhere;
}
