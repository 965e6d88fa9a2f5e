import fc from "fast-check";
import { expect, test } from "vitest";
import { type Salvaged, settleLedger, unionOf, without } from "#agent/store/salvage-ledger.ts";
import { countIntervals, type IntervalSet, missingFrom } from "#shared/journal/interval-set.ts";

const itemsMax = 10;

type Fate = "delivered" | "held" | "named" | "gone" | "missing";

/** Segments of a stream, one after the other, and what became of each. */
const stream = fc.array(
  fc.record({
    items: fc.integer({ min: 1, max: itemsMax }),
    fate: fc.constantFrom<Fate>("delivered", "held", "named", "gone", "missing"),
  }),
  { maxLength: 30 },
);

function made(segments: readonly { readonly items: number; readonly fate: Fate }[]) {
  let next = 1;
  const placed = segments.map(({ items, fate }) => {
    const first = next;
    next += items;
    return { first, last: next - 1, fate };
  });
  const of = (...fates: readonly Fate[]): IntervalSet =>
    unionOf(placed.filter(({ fate }) => fates.includes(fate)).map(({ first, last }) => [first, last]));
  return { of, high: next - 1, goneFirsts: placed.filter(({ fate }) => fate === "gone").map(({ first }) => first) };
}

test("[O3] the row balances, everything that is gone is named, and nothing that is held or named already", () => {
  fc.assert(
    fc.property(stream, fc.boolean(), fc.boolean(), fc.boolean(), (segments, knowsRow, knowsIndex, mayBeStale) => {
      const { of, high, goneFirsts } = made(segments);
      const [held, gaps] = [of("held"), of("named")];
      const ranges = of("delivered", "held", "named", "gone");
      const salvaged: Salvaged = { held, gaps, lostFirsts: knowsIndex ? goneFirsts : undefined, itemsMax, mayBeStale };
      const lost = countIntervals(gaps);
      const before = knowsRow
        ? { ranges, high, delivered: countIntervals(of("delivered")), lost }
        : { ranges, high, delivered: undefined, lost: 0 };
      const after = settleLedger(before, salvaged);
      const missing = high === 0 ? 0 : countIntervals(missingFrom(after.ranges, 1, high));
      expect(after.delivered + after.lost + countIntervals(held) + missing).toBe(high);
      expect(without(of("gone"), after.named)).toEqual([]);
      expect(without(after.named, of("gone", "delivered"))).toEqual([]);
      expect(after.delivered).toBeGreaterThanOrEqual(0);
      if (knowsRow && !mayBeStale) expect(after.newlyLost).toBe(countIntervals(of("gone")));
      if (after.newlyLost === 0) expect(after.named).toEqual([]);
    }),
  );
});

test("an index that is whole says which numbers are gone, where the sums only say how many", () => {
  const before = { ranges: [[1, 100]], high: 100, delivered: 90, lost: 0 } as const;
  const salvaged = { held: [], gaps: [], itemsMax, mayBeStale: false } as const;
  expect(settleLedger(before, { ...salvaged, lostFirsts: [41] })).toMatchObject({ newlyLost: 10, named: [[41, 50]] });
  expect(settleLedger(before, { ...salvaged, lostFirsts: undefined })).toMatchObject({
    newlyLost: 10,
    named: [[1, 100]],
  });
});

test("rows that come back as held are not lost, and not delivered any more", () => {
  const before = { ranges: [[1, 10]], high: 10, delivered: 10, lost: 0 } as const;
  const salvaged = { held: [[3, 4]], gaps: [], lostFirsts: [], itemsMax, mayBeStale: true } as const;
  expect(settleLedger(before, salvaged)).toMatchObject({ delivered: 8, lost: 0, newlyLost: 0 });
});
