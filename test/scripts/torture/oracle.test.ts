import { expect, test } from "vitest";
import type { DataLine } from "#shared/reports.ts";
import { createMessagePlan } from "../../../scripts/torture/message-plan.ts";
import { judgeStored } from "../../../scripts/torture/oracle.ts";
import { seeded } from "../../../scripts/torture/seeded.ts";

const plan = createMessagePlan(seeded(7), "device-1");
const count = 60;

/** Messages 1 to `count` as a cloud returns them that did everything right. */
function rightLines(): DataLine[] {
  const seqs = new Map<string, number>();
  return Array.from({ length: count }, (_, index) => {
    const { topic, payload } = plan.message(index + 1);
    const stream = topic.startsWith("/data/alarm/") ? "alarm" : "data";
    const seq = (seqs.get(stream) ?? 0) + 1;
    seqs.set(stream, seq);
    const isText = Buffer.from(payload.toString("utf8")).equals(payload);
    const bytes = isText ? { payload: payload.toString("utf8") } : { payloadBase64: payload.toString("base64") };
    return { cursor: index + 1, origin: "device-1", epoch: 5, stream, seq, time: "", topic, ...bytes };
  });
}

function judge(lines: readonly DataLine[], acknowledged = Array.from({ length: count }, (_, index) => index + 1)) {
  return judgeStored({ plan, acknowledged: new Set(acknowledged), sent: () => count }, lines);
}

/** The last two lines of one stream: what the tests put out of order, or take away. */
function lastOfData(lines: readonly DataLine[]): readonly [number, number] {
  const places = lines.flatMap(({ stream }, index) => (stream === "data" ? [index] : []));
  return [places.at(-2) ?? 0, places.at(-1) ?? 0];
}

test("what was stored as it was sent is right, whether the last ones were acknowledged or not", () => {
  expect(judge(rightLines())).toEqual([]);
  expect(judge(rightLines(), [1, 2, 3])).toEqual([]);
});

test("a plan repeats itself, and its messages are of many kinds", () => {
  const again = createMessagePlan(seeded(7), "device-1");
  const messages = Array.from({ length: count }, (_, index) => plan.message(index + 1));
  expect(messages).toEqual(Array.from({ length: count }, (_, index) => again.message(index + 1)));
  expect(new Set(messages.map(({ topic }) => topic)).size).toBeGreaterThan(3);
  expect(messages.map(({ payload }) => plan.numberOf(payload))).toEqual(messages.map((_, index) => index + 1));
  expect(rightLines().some(({ payloadBase64 }) => payloadBase64 !== undefined)).toBe(true);
});

test("an acknowledged message that is missing is named", () => {
  const lines = rightLines();
  const [, last] = lastOfData(lines);
  expect(judge(lines.toSpliced(last, 1))).toEqual([`device-1: 1 acknowledged, not stored [O1]: message ${last + 1}`]);
  expect(judge([], [4, 5])).toEqual(["device-1: 2 acknowledged, not stored [O1]: message 4, message 5"]);
});

test("a message that is stored twice is named, under the same number and under another", () => {
  const lines = rightLines();
  const [, last] = lastOfData(lines);
  const twice = lines.slice(last, last + 1);
  expect(judge([...lines, ...twice]).join("\n")).toMatch(/stored twice \[O2\].*\n.*one number given twice \[O4\]/);
  expect(judge([...lines, ...twice.map((line) => ({ ...line, seq: line.seq + 1 }))])).toEqual([
    expect.stringContaining(`1 stored twice [O2]: message ${last + 1}, again as 5/data/`),
  ]);
});

test("another payload, another topic, and what was never sent are named", () => {
  const [first, second, ...rest] = rightLines();
  if (first === undefined || second === undefined) throw new Error("unreachable");
  expect(judge([{ ...first, topic: "/data/other" }, second, ...rest])).toEqual([
    expect.stringContaining("1 stored other than sent [O2]: message 1"),
  ]);
  const { payloadBase64: _, ...bare } = first;
  expect(judge([{ ...bare, payload: "device-1 1 !" }, second, ...rest])).toEqual([
    expect.stringContaining("1 stored other than sent [O2]: message 1"),
  ]);
  expect(judge([...rightLines(), { ...bare, seq: 99, stream: "other", payload: "device-1 999 " }])).toEqual([
    expect.stringContaining("1 stored, never sent: 5/other/99"),
  ]);
});

test("a hole in the numbers, and messages out of order, are named", () => {
  const lines = rightLines();
  const [before, last] = lastOfData(lines);
  const holed = lines.map((line, index) => (index === last ? { ...line, seq: line.seq + 1 } : line));
  expect(judge(holed)).toEqual([expect.stringContaining("1 a hole in the numbers [O4]: 5/data")]);
  const seqs = [lines[before]?.seq ?? 0, lines[last]?.seq ?? 0];
  const swapped = lines.map((line, index) =>
    index === before ? { ...line, seq: seqs[1] ?? 0 } : index === last ? { ...line, seq: seqs[0] ?? 0 } : line,
  );
  expect(judge(swapped)).toEqual([expect.stringContaining("1 out of order")]);
});
