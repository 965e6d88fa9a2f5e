import fc from "fast-check";
import { expect, test } from "vitest";
import { RecentMap } from "#cloud/storage/recent-map.ts";

test("knows what was set or asked for lately, forgets the rest, and never says anything else", () => {
  const anyStep = fc.record({ key: fc.integer({ min: 0, max: 20 }), isSet: fc.boolean() });
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 200 }), fc.integer({ min: 2, max: 12 }), (steps, entriesMax) => {
      const map = new RecentMap<number, number>(entriesMax);
      const truth = new Map<number, number>();
      let lately: number[] = [];
      steps.forEach(({ key, isSet }, index) => {
        if (isSet) {
          map.set(key, index);
          truth.set(key, index);
        } else {
          const value = map.get(key);
          if (lately.includes(key)) expect(value).toBe(truth.get(key));
          else expect([undefined, truth.get(key)]).toContain(value);
          if (value === undefined) return;
        }
        lately = [...lately.filter((other) => other !== key), key].slice(-Math.floor(entriesMax / 2));
      });
      map.clear();
      for (const key of truth.keys()) expect(map.get(key)).toBeUndefined();
    }),
  );
});

test("holds no more than it may", () => {
  const map = new RecentMap<number, number>(10);
  for (let key = 0; key < 1_000; key++) map.set(key, key);
  const held = Array.from({ length: 1_000 }, (_, key) => map.get(key)).filter((value) => value !== undefined);
  expect(held.length).toBeLessThanOrEqual(10);
  expect(held).toContain(999);
});
