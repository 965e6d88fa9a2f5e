// The exact count as text: one row per device, what differs, and one sentence. Pure.
import { totalOf, type DeviceCount } from "./accounting.ts";
import { formatCount } from "./text-style.ts";

const columns = ["DEVICE", "PUBLISHED", "STORED", "MISSING", "TWICE", "LEDGER", "LOST", "PENDING", "VERDICT"] as const;
const faultsShown = 8;

/** LEDGER is what the cloud's ledger says is stored, LOST and PENDING are its words too. */
export function countTable(counts: readonly DeviceCount[]): readonly string[] {
  const rows = counts.map((count) => [
    count.device,
    formatCount(count.published),
    formatCount(count.stored),
    formatCount(count.missing),
    formatCount(count.twice),
    formatCount(count.ledger?.stored),
    formatCount(count.ledger?.lost),
    formatCount(count.ledger?.pending),
    count.faults.length === 0 ? "exact" : "DIFFERS",
  ]);
  const widths = columns.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const isText = (i: number): boolean => i === 0 || i === columns.length - 1;
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (isText(i) ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  return [line(columns), ...rows.map(line)];
}

/** What differs, with examples, and messages of others; empty when there is nothing to add to the table. */
export function countRemarks(counts: readonly DeviceCount[]): readonly string[] {
  const faults = counts.flatMap(({ device, faults: texts }) => texts.map((text) => `${device}: ${text}`));
  const others = counts.reduce((total, count) => total + count.others, 0);
  return [
    ...faults.slice(0, faultsShown),
    ...(faults.length > faultsShown ? [`and ${faults.length - faultsShown} more differences`] : []),
    ...(others === 0
      ? []
      : [`not counted above, but stored too: what others published on the devices, ${formatCount(others)} in all`]),
  ];
}

/** `published N, stored N, each once, lost 0`, or what is wrong with it. Plain digits, for machines too. */
export function countSentence(counts: readonly DeviceCount[]): string {
  const { published, stored, lost, isExact } = totalOf(counts);
  if (isExact) return `published ${published}, stored ${stored}, each once, lost ${lost}`;
  const differing = counts.filter(({ faults }) => faults.length > 0).map(({ device }) => device);
  const named = differing.slice(0, 5).join(", ") + (differing.length > 5 ? ` and ${differing.length - 5} more` : "");
  return `published ${published}, stored ${stored}, lost ${lost}: the count does not agree for ${named}`;
}
