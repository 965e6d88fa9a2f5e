import { expect, test } from "vitest";
import { SequenceTally } from "../../../scripts/bench/sequence-tally.ts";

function tallyOf(arrivals: readonly (readonly [publisher: number, number: number])[]): SequenceTally {
  const tally = new SequenceTally();
  for (const [publisher, number] of arrivals) tally.note(publisher, number);
  return tally;
}

test("publishers in turn, each in its order: nothing is wrong", () => {
  const tally = tallyOf([
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
  ]);
  expect(tally).toMatchObject({ received: 4, duplicates: 0, overtaken: 0, foreign: 0 });
  expect(tally.lostOf(4)).toBe(0);
});

test("a message that never comes is lost, and a gap alone is no disorder", () => {
  const tally = tallyOf([
    [0, 0],
    [0, 2],
    [0, 5000],
  ]);
  expect(tally).toMatchObject({ received: 3, duplicates: 0, overtaken: 0, gaps: 2 });
  expect(tally.lostOf(5001)).toBe(4998);
});

test("a repetition is a duplicate, not a disorder", () => {
  const tally = tallyOf([
    [0, 0],
    [0, 1],
    [0, 0],
    [0, 2],
  ]);
  expect(tally).toMatchObject({ received: 3, duplicates: 1, overtaken: 0 });
});

test("an older message that comes late was overtaken", () => {
  expect(
    tallyOf([
      [0, 0],
      [0, 2],
      [0, 1],
    ]),
  ).toMatchObject({ received: 3, duplicates: 0, overtaken: 1, gaps: 1 });
});

test("a late message that comes again is a duplicate", () => {
  expect(
    tallyOf([
      [3, 1],
      [3, 0],
      [3, 0],
    ]),
  ).toMatchObject({ received: 2, duplicates: 1, overtaken: 1 });
});

test("a message without a stamp is somebody else's", () => {
  expect(tallyOf([[Number.NaN, Number.NaN]])).toMatchObject({ received: 0, foreign: 1 });
});
