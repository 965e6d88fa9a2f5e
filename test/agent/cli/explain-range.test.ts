import { expect, test } from "vitest";
import { explainRange, isComplete, rootOf } from "#agent/cli/explain-range.ts";
import { ago, madeBelow, madeFogStatus, madeRange, madeRangeBelow, madeStatus } from "../client/node-server.ts";

const span = "device-1/data from 2026-07-10 10:00:00Z to 2026-07-10 11:00:00Z:";

test("everything of a span has arrived", () => {
  expect(explainRange(madeRange(), madeStatus(), false)).toBe(
    `${span} 360 stored here once each (numbers 101-460), 0 in the journal of cloud-1, 0 missing between them, 0 lost. ` +
      "You have everything that it published in that time. The counts of stored and of missing messages are exact.",
  );
  expect(isComplete(madeRange())).toBe(true);
});

test("what is missing is named, with who is away", () => {
  const missingRanges = [
    { first: 200, last: 203 },
    { first: 300, last: 300 },
  ];
  const entry = madeRange({ here: 2, below: 5 }, { messages: 355, missing: 5, missingRanges });
  expect(explainRange(entry, madeStatus(), true)).toBe(
    `${span.replace("data", "data (epoch 7)")} 355 stored here once each (numbers 101-460), 2 in the journal of cloud-1, ` +
      "5 missing between them, 0 lost. Known to be missing: 200-203, 300; no node on the way is known to be away. " +
      "The counts of stored and of missing messages are exact.",
  );
  const lostFog = madeBelow("fog-1", "cloud-1", { state: "lost", since: ago(300) });
  expect(explainRange(entry, madeStatus({ below: [lostFog, madeBelow("device-1", "fog-1")] }), false)).toContain(
    "Known to be missing: 200-203, 300; fog-1 has been away since 2026-07-10 11:55:00Z (5 min ago).",
  );
  expect(explainRange(entry, madeStatus({ below: [] }), false)).toContain(
    "cloud-1 does not know where device-1 is now.",
  );
  expect(isComplete(entry)).toBe(false);
});

test("what is not known is said: messages below, and the time after its last word", () => {
  const entry = madeRange({ below: 12, heardAt: ago(5_400) });
  const text = explainRange(entry, madeStatus(), false);
  expect(text).toContain("12 of its messages are not at cloud-1 yet, and their times are not known here.");
  expect(text).toContain("It was last heard of 1 h 30 min ago: what it has published since is not known here.");
  expect(text).not.toContain("You have everything");
  expect(isComplete(madeRange({ heardAt: ago(5_400) }))).toBe(false);
  expect(isComplete(madeRange({ below: 1 }))).toBe(false);
  expect(explainRange(madeRange({ heardAt: new Date(0).toISOString() }), madeStatus(), false)).toContain(
    "It has not been heard of: what",
  );
});

test("lost ranges have their reason and their times, and the count is an upper bound", () => {
  const lostRanges = [
    { first: 50, last: 110, reason: "evicted", from: ago(7_300), to: ago(7_100) },
    { first: 120, last: 120, reason: "rejected", from: ago(7_000), to: ago(7_000) },
    { first: 130, last: 131, reason: "corrupt" },
  ] as const;
  const text = explainRange(madeRange({ lost: 64, lostRanges }), madeStatus(), false);
  expect(text).toContain(
    "Lost for good: 50-110 (evicted, 2026-07-10 09:58:20Z to 2026-07-10 10:01:40Z), " +
      "120 (rejected, 2026-07-10 10:03:20Z), 130-131 (corrupt, at an unknown time).",
  );
  expect(text).toContain("the number of lost ones is an upper bound");
  expect(isComplete(madeRange({ lost: 64, lostRanges }))).toBe(false);
});

test("counts that changed while they were taken are not called exact", () => {
  const text = explainRange(madeRange({}, { settled: false }), madeStatus(), false);
  expect(text).toContain("ask again for exact numbers");
  expect(text).not.toContain("are exact");
});

test("a node that is no root names the one that knows", () => {
  expect(explainRange(madeRangeBelow({ here: 4 }), madeFogStatus(), false)).toBe(
    `${span} 4 durable at fog-1 and not handed on yet, 0 lost. ` +
      "What fog-1 has handed on is known above, by its time at the root: ask cloud-1 with --http. " +
      "These counts are of this moment.",
  );
  expect(explainRange(madeRangeBelow(), madeFogStatus({ path: [] }), false)).toContain("ask the root of its tree");
  expect(rootOf(madeStatus())).toBe("cloud-1");
  expect(rootOf(madeFogStatus({ path: [] }))).toBeUndefined();
});

test("of a span, too, numbers whose messages came under other ones are not lost for good", () => {
  const lostRanges = [{ first: 50, last: 110, reason: "renumbered" }] as const;
  const text = explainRange(madeRange({ lost: 61, lostRanges }), madeStatus(), false);
  expect(text).toContain("Not lost: 50-110 (came under new numbers, at an unknown time).");
  expect(text).not.toContain("Lost for good");
});
