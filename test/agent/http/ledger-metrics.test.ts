import { expect, test } from "vitest";
import { ledgerMetrics } from "#agent/http/ledger-metrics.ts";
import type { LedgerRow } from "#shared/journal/ledger.ts";
import { limits } from "#shared/limits.ts";

function row(changed: Partial<LedgerRow>): LedgerRow {
  const counts = { high: 0, low: 1, delivered: 0, lost: 0, held: 0, heldBytes: 0, ranges: [] };
  return { origin: "d", epoch: 1, streamId: 1, stream: "data", ...counts, heardAtMs: 0, ...changed };
}

test("what became of a stream's messages, over all its epochs, and the age of the oldest", () => {
  const rows = [
    row({ epoch: 1, high: 10, ranges: [[1, 10]], delivered: 7, lost: 3 }),
    row({ epoch: 2, high: 20, ranges: [[6, 12]], low: 4, delivered: 5, held: 2 }),
  ];
  const losses = [{ origin: "d", stream: "data", reason: "evicted" as const, messages: 3 }];
  const at = { isRoot: false, nowMs: 61_500 };
  expect(ledgerMetrics({ rows, oldestPendingMs: 60_000 }, losses, at)).toBe(
    [
      "# TYPE fogbank_stream_messages gauge",
      'fogbank_stream_messages{origin="d",stream="data",state="stored"} 12',
      'fogbank_stream_messages{origin="d",stream="data",state="lost"} 3',
      'fogbank_stream_messages{origin="d",stream="data",state="here"} 2',
      'fogbank_stream_messages{origin="d",stream="data",state="below"} 10',
      'fogbank_stream_messages{origin="d",stream="data",state="elsewhere"} 3',
      "# TYPE fogbank_stream_lost_messages gauge",
      'fogbank_stream_lost_messages{origin="d",stream="data",reason="evicted"} 3',
      "# TYPE fogbank_journal_oldest_seconds gauge",
      "fogbank_journal_oldest_seconds 1.5",
      "",
    ].join("\n"),
  );
  const root = ledgerMetrics({ rows, oldestPendingMs: undefined }, [], { isRoot: true, nowMs: 5 });
  expect(root).toContain('state="below"} 13\n');
  expect(root).toContain('state="elsewhere"} 0\n');
  expect(root).toContain("fogbank_journal_oldest_seconds 0\n");
});

test("a large tree has a bounded number of series: those with most on the way, and the rest as one", () => {
  const count = limits.metricsStreams + 50;
  const rows = Array.from({ length: count }, (_, index) =>
    row({ origin: `d${index}`, held: index, delivered: 1, high: index + 1, ranges: [[1, index + 1]] }),
  );
  const losses = rows.map(({ origin }) => ({ origin, stream: "data", reason: "evicted" as const, messages: 2 }));
  const text = ledgerMetrics({ rows, oldestPendingMs: 1 }, losses, { isRoot: true, nowMs: 1 });
  expect(text.match(/state="here"/g)).toHaveLength(limits.metricsStreams + 1);
  expect(text).toContain(`origin="d${count - 1}"`);
  expect(text).not.toContain('origin="d49"');
  expect(text).toContain('{origin="other",stream="other",state="stored"} 50\n');
  expect(text).toContain(`{origin="other",stream="other",state="here"} ${(49 * 50) / 2}\n`);
  expect(text).toContain('fogbank_stream_lost_messages{origin="other",stream="other",reason="evicted"} 100\n');
});

test("names are escaped as the format asks for", () => {
  const text = ledgerMetrics({ rows: [row({ stream: 'a"b\\c\nd' })], oldestPendingMs: 1 }, [], {
    isRoot: true,
    nowMs: 0,
  });
  expect(text).toContain('stream="a\\"b\\\\c\\nd",state="stored"} 0\n');
  expect(text).toContain("fogbank_journal_oldest_seconds 0\n");
});
