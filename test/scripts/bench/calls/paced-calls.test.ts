import { expect, test } from "vitest";
import { monotonicMs } from "../../../../scripts/bench/process-usage.ts";
import { pacedCalls } from "../../../../scripts/bench/calls/paced-calls.ts";

test("calls begin at the rate, whether those before have ended or not, and the first second does not count", async () => {
  let begun = 0;
  const ends = Promise.withResolvers<void>();
  const figures = await pacedCalls(
    async () => {
      const number = ++begun;
      if (number === 150) ends.resolve();
      if (number > 100) await ends.promise;
      return { atMs: monotonicMs(), isDone: number !== 120 };
    },
    100,
    500,
  );
  expect(begun).toBe(150);
  expect(figures).toMatchObject({ calls: 50, unanswered: 1 });
});
