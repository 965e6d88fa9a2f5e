// The ledger in the text format of Prometheus: what became of every stream's messages, and how long the oldest has waited here.
//
//   fogbank_stream_messages{origin,stream,state="stored|lost|here|below|elsewhere"}
//   fogbank_stream_lost_messages{origin,stream,reason}
//   fogbank_journal_oldest_seconds
//
// Streams with much on the way have labels of their own; the rest is summed under origin="other", so that a large tree does not
// become a large number of time series.
import { elsewhereOf, missingOf, type LedgerRow } from "#shared/journal/ledger.ts";
import { limits } from "#shared/limits.ts";
import type { LedgerTotals, LossTotal } from "../store/accounting-reads.ts";

const states = ["stored", "lost", "here", "below", "elsewhere"] as const;

type Counts = Record<(typeof states)[number], number>;

interface Labels {
  readonly origin: string;
  readonly stream: string;
}

const rest: Labels = { origin: "other", stream: "other" };

/** `isRoot`: nothing is expected elsewhere. `nowMs`: milliseconds since 1970. */
export function ledgerMetrics(
  { rows, oldestPendingMs }: LedgerTotals,
  losses: readonly LossTotal[],
  { isRoot, nowMs }: { readonly isRoot: boolean; readonly nowMs: number },
): string {
  const all = [...Map.groupBy(rows, keyOf).values()].flatMap((epochs) => {
    const [head] = epochs;
    return head === undefined ? [] : [{ labels: head, counts: sumOf(epochs.map((row) => countsOf(row, isRoot))) }];
  });
  const byPending = all.toSorted((a, b) => pending(b.counts) - pending(a.counts) || byLabels(a.labels, b.labels));
  const shown = byPending.slice(0, limits.metricsStreams).toSorted((a, b) => byLabels(a.labels, b.labels));
  const hidden = byPending.slice(limits.metricsStreams);
  const lines: string[] = ["# TYPE fogbank_stream_messages gauge"];
  const entries =
    hidden.length === 0 ? shown : [...shown, { labels: rest, counts: sumOf(hidden.map((one) => one.counts)) }];
  for (const { labels, counts } of entries) {
    for (const state of states)
      lines.push(`fogbank_stream_messages${labelText({ ...pick(labels), state })} ${counts[state]}`);
  }
  lines.push("# TYPE fogbank_stream_lost_messages gauge");
  const isShown = new Set(shown.map(({ labels }) => keyOf(labels)));
  const byReason = Map.groupBy(losses, (one) =>
    labelText({ ...(isShown.has(keyOf(one)) ? pick(one) : rest), reason: one.reason }),
  );
  for (const [labels, some] of byReason) {
    lines.push(`fogbank_stream_lost_messages${labels} ${some.reduce((sum, { messages }) => sum + messages, 0)}`);
  }
  const ageMs = oldestPendingMs === undefined ? 0 : Math.max(0, nowMs - oldestPendingMs);
  lines.push("# TYPE fogbank_journal_oldest_seconds gauge", `fogbank_journal_oldest_seconds ${ageMs / 1_000}`);
  return lines.map((line) => `${line}\n`).join("");
}

function countsOf(row: LedgerRow, isRoot: boolean): Counts {
  const elsewhere = isRoot ? 0 : elsewhereOf(row);
  return { stored: row.delivered, lost: row.lost, here: row.held, below: missingOf(row) - elsewhere, elsewhere };
}

function sumOf(all: readonly Counts[]): Counts {
  const sum: Counts = { stored: 0, lost: 0, here: 0, below: 0, elsewhere: 0 };
  for (const counts of all) for (const state of states) sum[state] += counts[state];
  return sum;
}

function pending({ here, below }: Counts): number {
  return here + below;
}

function pick({ origin, stream }: Labels): Labels {
  return { origin, stream };
}

function keyOf({ origin, stream }: Labels): string {
  return `${origin} ${stream}`;
}

function byLabels(a: Labels, b: Labels): number {
  return keyOf(a) < keyOf(b) ? -1 : 1;
}

function labelText(labels: object): string {
  const escaped = (value: string): string =>
    value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(String(value))}"`)
    .join(",")}}`;
}
