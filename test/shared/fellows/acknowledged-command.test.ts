import fc from "fast-check";
import { expect, test } from "vitest";
import {
  newAcknowledgedCommand,
  stepAcknowledgedCommand,
  type CommandEvent,
} from "#shared/fellows/acknowledged-command.ts";

function run(addressees: readonly string[], events: readonly (CommandEvent & { readonly atMs: number })[]): unknown[] {
  let [state, effects] = newAcknowledgedCommand(addressees, 1_000);
  const told: unknown[] = [...effects];
  for (const event of events) {
    [state, effects] = stepAcknowledgedCommand(state, event, event.atMs);
    told.push(...effects);
  }
  return told;
}

test("[U26] done when every addressee has its entry, whoever else has one", () => {
  const entries = (atMs: number, ...names: string[]) => ({ type: "entries", names, atMs }) as const;
  expect(run(["a", "b"], [entries(1, "a", "x")])).toEqual([]);
  expect(run(["a", "b"], [entries(1, "a"), entries(2, "b", "a")])).toEqual([{ type: "done" }]);
  expect(run(["a", "a"], [entries(1, "a"), entries(2, "a")])).toEqual([{ type: "done" }]);
  expect(run([], [])).toEqual([{ type: "done" }]);
});

test("[U26] at the deadline it has failed, with the names that are missing; what comes later changes nothing", () => {
  const events = [
    { type: "entries", names: ["b"], atMs: 1 },
    { type: "tick", atMs: 999 },
    { type: "tick", atMs: 1_000 },
    { type: "entries", names: ["a", "b", "c"], atMs: 1_001 },
    { type: "tick", atMs: 2_000 },
  ] as const;
  expect(run(["a", "b", "c"], events)).toEqual([{ type: "failed", missing: ["a", "c"] }]);
});

test("[U26] one outcome, and done only if everybody was there before the deadline", () => {
  const name = fc.constantFrom("a", "b", "c");
  const event = fc.oneof(
    fc.record({ type: fc.constant("entries" as const), names: fc.array(name, { maxLength: 3 }) }),
    fc.constant({ type: "tick" as const }),
  );
  fc.assert(
    fc.property(fc.array(name, { maxLength: 3 }), fc.array(event, { maxLength: 12 }), (addressees, events) => {
      const timed = events.map((one, at) => ({ ...one, atMs: at * 150 }));
      const ended = run(addressees, timed);
      const seen = new Set<string>();
      let expected: unknown = addressees.length === 0 ? { type: "done" } : undefined;
      for (const one of timed) {
        if (one.type === "entries") for (const each of one.names) seen.add(each);
        const missing = [...new Set(addressees)].filter((each) => !seen.has(each));
        if (one.type === "entries" && missing.length === 0) expected ??= { type: "done" };
        if (one.type === "tick" && one.atMs >= 1_000) expected ??= { type: "failed", missing };
      }
      expect(ended).toEqual(expected === undefined ? [] : [expected]);
    }),
  );
});
