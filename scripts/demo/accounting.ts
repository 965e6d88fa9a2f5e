// The exact count of one device: what it wrote down itself against what the cloud returns, message by message, and against
// the cloud's ledger. Pure.
import type { LedgerEntry, StoredRow } from "./node-api.ts";

export interface DeviceEvidence {
  readonly device: string;
  /** Lines `time<TAB>topic<TAB>payload` that the device had written down before `rows` were asked for. */
  readonly recorded: readonly string[];
  /** All that it had written down afterwards; `recorded` when it did not publish meanwhile. */
  readonly recordedLater?: readonly string[];
  /** Everything of this origin that the cloud has stored. */
  readonly rows: readonly StoredRow[];
  /** The cloud's ledger for this origin. Absent while the device publishes: then it moves. */
  readonly ledger?: readonly LedgerEntry[];
  /** The device was killed: its last messages can be acknowledged and not written down. */
  readonly wasKilled?: boolean;
}

export interface DeviceCount {
  readonly device: string;
  /** Messages that the device wrote down. */
  readonly published: number;
  /** Of these, found in the cloud. */
  readonly stored: number;
  /** Of these, not found. */
  readonly missing: number;
  /** Rows that are there once too often. */
  readonly twice: number;
  /** Rows under `/data/host/` that the device did not write down. */
  readonly unrecorded: number;
  /** Rows under other topics: somebody else published them on the device. */
  readonly others: number;
  /** Numbers that no row has, from 1 to the largest. */
  readonly holes: number;
  readonly ledger: { readonly stored: number; readonly lost: number; readonly pending: number } | undefined;
  /** What is not as it must be, with examples. None: everything is there, each once. */
  readonly faults: readonly string[];
}

const hostTopics = "/data/host/";
const examplesMax = 3;

export function countDevice(evidence: DeviceEvidence): DeviceCount {
  const { device, rows } = evidence;
  const hostRows = rows.filter(({ topic }) => topic.startsWith(hostTopics));
  const { missing, surplus } = compareMessages(evidence, hostRows.map(lineOf));
  const { repeated, holes } = compareNumbers(rows);
  const unrecorded = evidence.wasKilled === true ? [] : surplus.unrecorded;
  const ledger = evidence.ledger && sumOf(evidence.ledger);
  return {
    device,
    published: evidence.recorded.length,
    stored: evidence.recorded.length - missing.length,
    missing: missing.length,
    twice: surplus.twice.length + repeated.length,
    unrecorded: unrecorded.length,
    others: rows.length - hostRows.length,
    holes: holes.length,
    ledger,
    faults: [
      ...fault(missing, "published but not in the cloud"),
      ...fault(surplus.twice, "in the cloud more often than published"),
      ...fault(repeated, "identity given twice"),
      ...fault(unrecorded, "in the cloud but never published"),
      ...fault(holes, "number without a message"),
      ...(evidence.ledger === undefined ? [] : ledgerFaults(device, evidence.ledger, rows)),
    ],
  };
}

export interface TotalCount {
  readonly published: number;
  readonly stored: number;
  readonly lost: number;
  readonly isExact: boolean;
}

/** `lost` is what the ledgers name as lost. */
export function totalOf(counts: readonly DeviceCount[]): TotalCount {
  const sum = (of: (count: DeviceCount) => number): number => counts.reduce((total, count) => total + of(count), 0);
  return {
    published: sum(({ published }) => published),
    stored: sum(({ stored }) => stored),
    lost: sum(({ ledger, missing }) => ledger?.lost ?? missing),
    isExact: counts.every(({ faults }) => faults.length === 0),
  };
}

/** As multisets: each recorded line takes one row that reads the same. */
function compareMessages(
  { recorded, recordedLater = recorded }: DeviceEvidence,
  stored: readonly string[],
): {
  readonly missing: readonly string[];
  readonly surplus: { readonly twice: readonly string[]; readonly unrecorded: readonly string[] };
} {
  const left = tally(stored);
  const missing = recorded.filter((line) => !takeOne(left, line));
  const allowed = tally(recordedLater);
  for (const line of recorded) takeOne(allowed, line);
  const known = new Set(recordedLater);
  const twice: string[] = [];
  const unrecorded: string[] = [];
  for (const [line, times] of left) {
    for (let i = 0; i < times; i++) {
      if (takeOne(allowed, line)) continue;
      (known.has(line) ? twice : unrecorded).push(line);
    }
  }
  return { missing, surplus: { twice, unrecorded } };
}

function tally(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}

function takeOne(counts: Map<string, number>, line: string): boolean {
  const count = counts.get(line) ?? 0;
  if (count > 0) counts.set(line, count - 1);
  return count > 0;
}

/** Every (origin, epoch, stream) is numbered from 1 without a hole, and no number is given twice. */
function compareNumbers(rows: readonly StoredRow[]): {
  readonly repeated: readonly string[];
  readonly holes: readonly string[];
} {
  const numbersByStream = new Map<string, Set<number>>();
  const repeated: string[] = [];
  for (const row of rows) {
    const stream = streamOf(row);
    const numbers = numbersByStream.get(stream) ?? new Set();
    numbersByStream.set(stream, numbers);
    if (numbers.has(row.seq)) repeated.push(`${stream} ${row.seq}`);
    numbers.add(row.seq);
  }
  const holes: string[] = [];
  for (const [stream, numbers] of numbersByStream) {
    let largest = 0;
    for (const seq of numbers) largest = Math.max(largest, seq);
    for (let seq = 1; seq < largest; seq++) if (!numbers.has(seq)) holes.push(`${stream} ${seq}`);
  }
  return { repeated, holes };
}

function ledgerFaults(device: string, ledger: readonly LedgerEntry[], rows: readonly StoredRow[]): readonly string[] {
  const rowsByStream = tally(rows.map(streamOf));
  const faults = ledger.flatMap((entry) => {
    const { next, stored, lost, pending, balanced } = entry;
    const found = rowsByStream.get(streamOf(entry)) ?? 0;
    rowsByStream.delete(streamOf(entry));
    const agrees = balanced && stored === found && lost === 0 && pending === 0 && next === found + 1;
    if (agrees) return [];
    return [
      `the ledger of ${streamOf(entry)} says ${stored} stored, ${lost} lost, ${pending} pending of ${next - 1}, and ${found} are there`,
    ];
  });
  const unlisted = [...rowsByStream.keys()].map((stream) => `the ledger does not know ${stream}`);
  return [...faults, ...unlisted].map((text) => `${device}: ${text}`);
}

function sumOf(ledger: readonly LedgerEntry[]): {
  readonly stored: number;
  readonly lost: number;
  readonly pending: number;
} {
  const total = { stored: 0, lost: 0, pending: 0 };
  for (const { stored, lost, pending } of ledger) {
    total.stored += stored;
    total.lost += lost;
    total.pending += pending;
  }
  return total;
}

function fault(items: readonly string[], what: string): readonly string[] {
  if (items.length === 0) return [];
  const shown = items.slice(0, examplesMax).map((item) => `  ${item.replaceAll("\t", "  ")}`);
  const more = items.length > examplesMax ? [`  … and ${items.length - examplesMax} more`] : [];
  return [[`${what}: ${items.length}`, ...shown, ...more].join("\n")];
}

function lineOf({ time, topic, payload }: StoredRow): string {
  return `${time}\t${topic}\t${payload ?? "(not text)"}`;
}

function streamOf({ origin, epoch, stream }: Pick<StoredRow, "origin" | "epoch" | "stream">): string {
  return `${origin}/${epoch}/${stream}`;
}
