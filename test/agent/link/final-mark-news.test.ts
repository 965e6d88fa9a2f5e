// What each child is told of the root's marks.
import { expect, test } from "vitest";
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

function news(): FinalMarkNews {
  // @ts-expect-error the one read that it needs
  return new FinalMarkNews({ read: async () => marks });
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
