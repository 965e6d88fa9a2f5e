import fc from "fast-check";
import { expect, test } from "vitest";
import { formatWeights, parseWeights, scoreIn } from "#shared/fellows/server-weights.ts";

const weight = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const weights = fc.record({
  manual: weight,
  load: fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0),
  configuration: weight,
  zones: fc.array(fc.tuple(fc.string(), weight), { maxLength: 5 }).map((pairs) => new Map(pairs)),
});

test("[U9] weights read back as they were written, and equal ones have one text", () => {
  fc.assert(
    fc.property(weights, (all) => {
      expect(parseWeights(formatWeights(all))).toEqual(all);
      const turned = { ...all, zones: new Map([...all.zones].toReversed()) };
      expect(formatWeights(turned)).toBe(formatWeights(all));
    }),
  );
});

test("[U9] [U10] the weight for a zone counts there alone, and configuration not at all", () => {
  const all = { manual: 4, load: 0.5, configuration: 100, zones: new Map([["ap-1", 3]]) };
  expect(scoreIn("ap-1", all)).toBe(6);
  expect(scoreIn("ap-2", all)).toBe(2);
});

test("[U9] what is no weight is refused", () => {
  const good = { manual: 1, load: 0, configuration: 1, zones: [["a", 1]] };
  expect(parseWeights(JSON.stringify({ ...good, later: 1 }))).toMatchObject({ manual: 1 });
  const bad = [
    { manual: -1 },
    { manual: "1" },
    { load: 2 },
    { configuration: null },
    { zones: {} },
    { zones: [["a"]] },
    { zones: [["a", -1]] },
  ];
  for (const change of bad) expect(parseWeights(JSON.stringify({ ...good, ...change }))).toBeUndefined();
  expect(parseWeights('{"manual":1e999,"load":0,"configuration":1,"zones":[]}')).toBeUndefined();
});
