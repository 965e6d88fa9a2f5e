// What the journal knows of its streams: the ledger and its gaps, and sums for the metrics.
import type { DatabaseSync } from "node:sqlite";
import type { GapRow, LedgerRow } from "#shared/journal/ledger.ts";
import { lossReasonOf, type LossReason } from "#shared/journal/segment.ts";
import type { Nothing } from "./nothing.ts";
import type { StreamRepository } from "./stream-repository.ts";

export interface AccountingEntry {
  readonly row: LedgerRow;
  readonly gaps: readonly GapRow[];
}

/** Messages of one stream that were lost for one reason. */
export interface LossTotal {
  readonly origin: string;
  readonly stream: string;
  readonly reason: LossReason;
  readonly messages: number;
}

export interface LedgerTotals {
  readonly rows: readonly LedgerRow[];
  /** Time of the message that has waited here longest, milliseconds since 1970. */
  readonly oldestPendingMs: number | undefined;
}

export function createAccountingReads(database: DatabaseSync, streams: StreamRepository) {
  const prepared = prepareAll(database);
  return {
    accounting(args: { readonly origin?: string }): readonly AccountingEntry[] {
      return streams
        .accounts(args.origin)
        .map((row) => ({ row, gaps: row.lost === 0 ? [] : streams.gaps(row.origin, row.epoch, row.streamId) }));
    },

    totals(_args: Nothing): LedgerTotals {
      const ms = prepared.oldest.get()?.["ms"];
      return { rows: streams.accounts(), oldestPendingMs: ms === undefined ? undefined : Number(ms) };
    },

    losses(_args: Nothing): readonly LossTotal[] {
      return prepared.lostByReason.all().map((row) => ({
        origin: String(row["origin"]),
        stream: String(row["stream"]),
        reason: lossReasonOf(Number(row["reason"])),
        messages: Number(row["messages"]),
      }));
    },
  };
}

function prepareAll(database: DatabaseSync) {
  return {
    lostByReason: database.prepare(
      `SELECT o.node AS origin, s.name AS stream, g.reason AS reason, TOTAL(g.last - g.first + 1) AS messages
     FROM gap g JOIN origin o ON o.id = g.origin JOIN stream s ON s.origin = g.origin AND s.stream = g.stream
     GROUP BY o.node, s.name, g.reason`,
    ),
    oldest: database.prepare("SELECT first_ms AS ms FROM segment WHERE body IS NOT NULL ORDER BY id LIMIT 1"),
  };
}
