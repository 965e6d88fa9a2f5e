import fc from "fast-check";
import { expect, test } from "vitest";
import { chooseWinner, type Holder } from "#shared/registry/config-winner.ts";

const holder = (fellow: string, weight: number, hash: string): Holder => ({ fellow, weight, hash });

const madeHolders = fc.uniqueArray(
  fc.record({
    fellow: fc.constantFrom("a", "b", "c", "d", "é", "Z"),
    weight: fc.nat(3),
    hash: fc.constantFrom("h1", "h2", "h3"),
  }),
  { selector: ({ fellow }) => fellow, minLength: 1 },
);

test("[U9] the highest configuration weight wins, counted over all who hold the same; on a tie the lower name", () => {
  expect(chooseWinner([holder("a", 1, "h1"), holder("b", 2, "h2")])).toEqual({ hash: "h2", fellow: "b" });
  expect(chooseWinner([holder("a", 2, "h1"), holder("b", 3, "h2"), holder("c", 2, "h1")])).toEqual({
    hash: "h1",
    fellow: "a",
  });
  expect(chooseWinner([holder("b", 1, "h1"), holder("a", 1, "h2")])).toEqual({ hash: "h2", fellow: "a" });
  expect(chooseWinner([holder("a", 1, "h1"), holder("b", 3, "h1")])).toEqual({ hash: "h1", fellow: "b" });
  expect(chooseWinner([holder("b", 0, "h1"), holder("a", 0, "h2")])?.hash).toBe("h2");
  expect(chooseWinner([])).toBeUndefined();
});

test("[U9] no version has more weight behind it, and the order in which claims came does not count", () => {
  fc.assert(
    fc.property(madeHolders, fc.infiniteStream(fc.nat()), (holders, keys) => {
      const winner = chooseWinner(holders);
      const weightOf = (hash: string) =>
        holders.filter((one) => one.hash === hash).reduce((sum, one) => sum + one.weight, 0);
      const lowest = (hash: string) =>
        holders
          .filter((one) => one.hash === hash)
          .map((one) => one.fellow)
          .toSorted()[0] ?? "";
      const hash = winner?.hash ?? "";
      for (const other of holders) {
        const isBehind = weightOf(other.hash) < weightOf(hash);
        const isLater = weightOf(other.hash) === weightOf(hash) && lowest(other.hash) >= lowest(hash);
        expect(isBehind || isLater).toBe(true);
      }
      const mixed = holders.map((one) => [keys.next().value, one] as const).toSorted(([a], [b]) => a - b);
      expect(chooseWinner(mixed.map(([, one]) => one))).toEqual(winner);
    }),
  );
});

test("[U9] whoever takes the winner's version only adds to its weight", () => {
  fc.assert(
    fc.property(madeHolders, fc.nat(5), (holders, at) => {
      const winner = chooseWinner(holders);
      const adopted = holders.map((one, index) => (index === at ? { ...one, hash: winner?.hash ?? "" } : one));
      expect(chooseWinner(adopted)?.hash).toBe(winner?.hash);
    }),
  );
});
