import { expect, test } from "vitest";
import { rateBetween, rateSince, watchArrival, withLook } from "../../../../scripts/bench/journal/arrival-watch.ts";

test("the first look that finds messages and the last that finds more are kept", () => {
  const looks = [
    { atMs: 10, count: 0 },
    { atMs: 20, count: 5 },
    { atMs: 30, count: 9 },
    { atMs: 40, count: 9 },
  ];
  const arrival = looks.reduce<ReturnType<typeof withLook>>(withLook, undefined);
  expect(arrival).toEqual({ first: { atMs: 20, count: 5 }, last: { atMs: 30, count: 9 } });
});

test("what the first look found does not count as having come since then", () => {
  const arrival = { first: { atMs: 1_000, count: 500 }, last: { atMs: 3_000, count: 2_500 } };
  expect(rateBetween(arrival)).toBe(1_000);
  expect(rateSince(arrival, 500)).toBe(1_000);
});

test("messages that were all there at the first look have no rate", () => {
  const moment = { atMs: 1, count: 3 };
  expect(rateBetween({ first: moment, last: moment })).toBeNaN();
});

test("the watch ends with the look that finds all, and follows both counts", async () => {
  const looks = [{ readable: 0, durable: 2 }, { readable: 1, durable: 3 }, { readable: 3, durable: 3 }, undefined];
  let progress = 0;
  let at = 0;
  const look = async () => {
    const found = looks[at++];
    if (found === undefined) throw new Error("looked once too often");
    return found;
  };
  const { readable, durable } = await watchArrival(3, look, () => progress++);
  expect([readable?.first.count, readable?.last.count]).toEqual([1, 3]);
  expect([durable?.first.count, durable?.last.count]).toEqual([2, 3]);
  expect(progress).toBe(3);
});
