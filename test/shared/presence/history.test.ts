import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { emptyHistory, withChange } from "#shared/presence/history.ts";

test("the last changes are kept, and all are counted", () => {
  let history = emptyHistory<"up" | "down">();
  for (let index = 0; index < 101; index++)
    history = withChange(history, { state: index % 2 === 0 ? "down" : "up", sinceMs: index });
  expect(history.changes).toHaveLength(limits.presenceChanges);
  expect(history.changes.at(-1)).toEqual({ state: "down", sinceMs: 100 });
  expect(history.counts).toEqual({ down: 51, up: 50 });
});
