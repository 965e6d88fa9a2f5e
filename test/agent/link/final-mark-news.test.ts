// What each child is told of the root's marks.
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { FinalMarkNews } from "#agent/link/final-mark-news.ts";

const stream = { origin: "device-1", epoch: 5, streamId: 1 };
const described = {
  ...stream,
  name: "alarms",
  priority: 0,
  class: "final",
  order: "strict",
  policy: "newest",
  high: 9,
};
const marks = [{ ...stream, fin: 9 }];

const shortages = [{ ...stream, ranges: [[3, 4]] }];

/** `short`: what the node says that it is short of, look by look. */
function news(short: unknown[] = []): FinalMarkNews {
  // @ts-expect-error the two reads that it needs
  return new FinalMarkNews({ read: async (what: string) => (what === "finalMarks" ? marks : (short.shift() ?? [])) });
}

test("a mark is told once while nobody asks, and again from time to time: the frame may have been lost", async () => {
  const told = news();
  // @ts-expect-error a description with texts for its priority and class
  told.begin("fog-1", [described]);
  await told.refresh();
  expect(told.take("fog-1")).toEqual({ marks });
  const later: unknown[] = [];
  for (let look = 0; look < 40; look++) {
    await told.refresh();
    later.push(told.take("fog-1").marks);
  }
  expect(later.filter((one) => one !== undefined)).toEqual([marks, marks]);
  expect(told.take("fog-2")).toEqual({});
});

test("[O3] what the node is short of is asked of those who have named the stream, again when that changes, and from time to time", async () => {
  const more = [{ ...stream, ranges: [[3, 6]] }];
  const told = news([shortages, shortages, more, ...Array.from({ length: 40 }, () => more)]);
  // @ts-expect-error a description with texts for its priority and class
  told.begin("fog-1", [described]);
  const asked: unknown[] = [];
  for (let look = 0; look < 20; look++) {
    await told.refresh();
    asked.push(told.wanted("fog-1").wanted);
    expect(told.wanted("fog-2")).toEqual({});
  }
  expect(asked.slice(0, 3)).toEqual([shortages, undefined, more]);
  expect(asked.slice(3, 19).every((one) => one === undefined)).toBe(true);
  expect(asked[19]).toEqual(more);
});

test("of what a child names, only so much is remembered, the latest", async () => {
  const told = news();
  const named = Array.from({ length: limits.namedBelow }, (_, epoch) => ({ ...described, epoch: epoch + 100 }));
  // @ts-expect-error descriptions with texts for their priority and class
  told.begin("fog-1", [described, ...named]);
  await told.refresh();
  expect(told.take("fog-1")).toEqual({});
  // @ts-expect-error a description with texts for its priority and class
  told.name("fog-1", [described]);
  expect(told.take("fog-1")).toEqual({ marks });
});
