import fc from "fast-check";
import { expect, test } from "vitest";
import { bestOf, scoreOf, type Offer } from "#shared/fellows/server-score.ts";
import { fellowOf } from "../../fakes/made-fellows.ts";

const offerOf = (number: number, score: number, hostname?: string): Offer => ({ ...fellowOf(number, hostname), score });

test("[U9] [U10] the score is manual weight × zone weight × free load", () => {
  expect(scoreOf({ manual: 10, zone: 2, load: 0.25 })).toBe(15);
  expect(scoreOf({ manual: 10, zone: 0.5, load: 0 })).toBe(5);
  expect(scoreOf({ manual: 10, zone: 1, load: 1 })).toBe(0);
});

test("[U10] what is no weight counts as none", () => {
  for (const bad of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
    expect(scoreOf({ manual: bad, zone: 1, load: 0 })).toBe(0);
    expect(scoreOf({ manual: 1, zone: bad, load: 0 })).toBe(0);
  }
  expect(scoreOf({ manual: 1, zone: 1, load: Number.NaN })).toBe(0);
  expect(scoreOf({ manual: 1, zone: 1, load: 7 })).toBe(0);
  expect(scoreOf({ manual: 1, zone: 1, load: -7 })).toBe(1);
});

test("[U10] the greatest score wins, of equal ones the lower name, of equal names the lower UUID", () => {
  expect(bestOf([offerOf(1, 1, "a"), offerOf(2, 2, "b")])?.hostname).toBe("b");
  expect(bestOf([offerOf(1, 1, "b"), offerOf(2, 1, "a")])?.hostname).toBe("a");
  expect(bestOf([offerOf(2, 1, "a"), offerOf(1, 1, "a")])?.uuid).toBe(fellowOf(1).uuid);
  expect(bestOf([])).toBeUndefined();
});

test("[U10] every server finds the same best, in whatever order it reads the offers", () => {
  const score = fc.oneof(fc.constantFrom(0, 1, 2, Number.NaN, Number.POSITIVE_INFINITY, -1), fc.double());
  const offers = fc.array(fc.record({ number: fc.nat(9), score, host: fc.constantFrom("a", "b") }), { maxLength: 8 });
  fc.assert(
    fc.property(offers, (all) => {
      const made = all.map((one, at) => offerOf(at, one.score, one.host));
      expect(bestOf(made.toReversed())).toEqual(bestOf(made));
      expect(bestOf(made.toSorted((a, b) => (a.hostname < b.hostname ? -1 : 1)))).toEqual(bestOf(made));
    }),
  );
});
