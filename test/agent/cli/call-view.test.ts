import { expect, test } from "vitest";
import type { CallReport } from "#agent/cli/call-reply.ts";
import { isSuccess, progressText, renderAnswers, renderReport, summaryText } from "#agent/cli/call-view.ts";
import type { TextStyle } from "#agent/cli/text-style.ts";

const noCounts = { matched: 0, queued: 0, started: 0, done: 0, failed: 0, refused: 0, expired: 0, cancelled: 0 };
const plain: TextStyle = { unicode: true, colour: false, columns: undefined };
const now = "2026-07-10T12:05:00.000Z";
const since = "2026-07-10T12:03:11.123Z";

function report(counts: Partial<typeof noCounts>, rest: Partial<CallReport> = {}): CallReport {
  return { final: true, counts: { ...noCounts, ...counts }, results: [], waiting: [], ...rest };
}

test("progress names how many stand where, and who has not been heard", () => {
  const until = "2026-07-10T13:00:00.000Z";
  const progress = (given: CallReport, style = plain): string => progressText(given, style, { until, now });
  const waiting = [{ node: "device-7", since, at: "fog-2" }];
  const some = report({ matched: 3, done: 1, started: 2 }, { waiting });
  expect(progress(some)).toBe("3 matched: 1 done, 2 started · 1 waiting at fog-2: device-7");
  expect(progress(some, { ...plain, unicode: false })).toBe(
    "3 matched: 1 done, 2 started - 1 waiting at fog-2: device-7",
  );
  expect(progress({ ...report({ matched: 1, done: 1 }, { waiting }), settled: true })).toBe(
    "1 matched: 1 done · 1 waiting at fog-2: device-7 · open until 13:00:00Z",
  );
  expect(progress(report({}))).toBe("0 matched");
});

test.each([
  [report({ matched: 3, done: 3 }), "3 matched: 3 done"],
  [
    report({ matched: 39, done: 37, expired: 2 }, { waiting: [{ node: "device-7", since, at: "fog-2" }] }),
    "39 matched: 37 done, 2 expired; 1 waiting at fog-2: device-7 since 12:03:11Z",
  ],
  [
    report(
      { matched: 1, done: 1 },
      {
        waiting: [
          { node: "device-7", since, at: "fog-2" },
          { node: "fog-3", since, at: "cloud-1", left: true },
          { node: "device-8", since, at: "fog-2" },
        ],
      },
    ),
    "1 matched: 1 done; 2 waiting at fog-2, 1 waiting at cloud-1: device-7 since 12:03:11Z, fog-3 (left on purpose 12:03:11Z), device-8 since 12:03:11Z",
  ],
  [report({ matched: 5, done: 4, failed: 1 }, { confirmed: true }), "5 matched: 4 done, 1 failed; confirmed"],
  [report({ matched: 5, done: 1, failed: 4 }, { confirmed: false }), "5 matched: 1 done, 4 failed; not confirmed"],
  [report({}), "no node matched the condition"],
  [
    report({}, { waiting: [{ node: "fog-1", since: "2026-07-09T23:00:00.000Z" }] }),
    "0 matched; 1 waiting: fog-1 since 2026-07-09 23:00:00Z",
  ],
  [report({ matched: 2, refused: 1, expired: 1 }), "2 matched: 1 refused, 1 expired"],
])("the summary in words: %#", (given, text) => {
  expect(summaryText(given, now)).toBe(text);
});

test("of very many unheard nodes some are named and the rest is counted", () => {
  const waiting = Array.from({ length: 12 }, (_, i) => ({ node: `fog-${i + 1}`, since }));
  expect(progressText(report({ matched: 1, done: 1 }, { waiting }), plain, { until: now, now })).toMatch(
    /12 waiting: fog-1, .*fog-10 and 2 more$/,
  );
});

test("it went well when somebody matched, all of them are done and nobody is unheard", () => {
  expect(isSuccess(report({ matched: 2, done: 2 }))).toBe(true);
  expect(isSuccess(report({}))).toBe(false);
  expect(isSuccess(report({ matched: 5, done: 4, failed: 1 }, { confirmed: true }))).toBe(true);
  expect(isSuccess(report({ matched: 2, done: 2 }, { confirmed: false }))).toBe(false);
  expect(isSuccess(report({ matched: 2, done: 1, failed: 1 }))).toBe(false);
  expect(isSuccess(report({ matched: 2, done: 2 }, { waiting: [{ node: "fog-2", since }] }))).toBe(false);
});

const results: CallReport["results"] = [
  { node: "device-10", status: "done", value: { time: "12:00", list: [1, null] } },
  { node: "device-2", status: "failed", reason: "no power" },
];

test("a table ordered by name as people count, results as JSON, reasons as text, and the summary below", () => {
  const given = report({ matched: 5, done: 4, failed: 1 }, { results, omitted: 3 });
  expect(renderReport(given, plain, now).split("\n")).toEqual([
    "NODE       STATUS  RESULT",
    "device-2   failed  no power",
    'device-10  done    {"time":"12:00","list":[1,null]}',
    "and 3 more that the reply leaves out",
    "",
    "5 matched: 4 done, 1 failed",
    "",
  ]);
});

test("no line is wider than the terminal, nor can an answer steer it", () => {
  const hostile = { node: "device-3", status: "refused", reason: `\u001b[2J${"x".repeat(200)}` } as const;
  const waiting = Array.from({ length: 9 }, (_, i) => ({ node: `fog-${i}`, since }));
  const text = renderReport(
    report({ matched: 3, done: 1 }, { results: [...results, hostile], waiting }),
    { ...plain, columns: 40 },
    now,
  );
  expect(Math.max(...text.split("\n").map(({ length }) => length))).toBe(40);
  expect(text).toContain("?[2Jx");
  expect(text).toContain("x…");
});

test("a function that answers nothing shows null", () => {
  expect(renderAnswers([{ node: "fog-1", status: "done" }], plain)).toBe(
    "NODE   STATUS  RESULT\nfog-1  done    null\n",
  );
});
