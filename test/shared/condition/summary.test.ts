import fc from "fast-check";
import { expect, test } from "vitest";
import { parseCondition, type Condition } from "#shared/condition/condition.ts";
import { evaluateCondition } from "#shared/condition/evaluate.ts";
import { namesIn } from "#shared/condition/names.ts";
import { StepBudget } from "#shared/condition/step-budget.ts";
import type { Subject } from "#shared/condition/subject.ts";
import { mayHoldFor, summarize, summarizeAlike, type Member } from "#shared/condition/summary.ts";
import { conditionText } from "./condition-grammar.ts";

const plenty = 1_000_000;

function parsed(text: string): Condition {
  const condition = parseCondition(text);
  if ("error" in condition) throw new Error(`${text}: ${condition.error.message}`);
  return condition.ok;
}

function mayHold(text: string, members: readonly Member[], steps = plenty): boolean {
  return mayHoldFor(parsed(text), summarize(members), new StepBudget(steps));
}

function member(fields: Partial<Member> & Pick<Member, "name">): Member {
  const site = { lat: undefined, lon: undefined, class: undefined };
  return { level: "device", zone: undefined, tags: [], depth: 2, site, ...fields };
}

/** The node itself, which knows more than it reports. */
function subjectOf({ name, level, zone, tags, depth, site }: Member, more: Subject): Subject {
  return { ...more, name, level, zone, tags, depth, lat: site?.lat, lon: site?.lon, class: site?.class };
}

const hall = Array.from({ length: 50 }, (_, n) => {
  const site = { lat: 50 + n / 100, lon: 13, class: n % 2 === 0 ? "pump" : undefined };
  return member({ name: `pump-${n}`, zone: "hall-7", tags: ["pump", "old"], site });
});
const fog = member({ name: "fog-7", level: "fog", zone: "hall-7", depth: 1 });
const below = [fog, ...hall];

test.each([
  "zone == 'hall-8'",
  "zone in ['hall-1', 'hall-2']",
  "!(zone == 'hall-7')",
  "zone.startsWith('roof-')",
  "'valve' in tags",
  "tags.exists(t, t == 'valve' || t == 'fan')",
  "!('pump' in tags) && level == 'device'",
  "level == 'cloud'",
  "name == 'pump-50'",
  "name in ['pump-50', 'fog-8']",
  "name.startsWith('fan-')",
  "'fan' + name == 'fanpump'",
  "size(name) > 20",
  "lat > 51.0 || lon == 12.0",
  "lat < 49.0 && data('x').last == 1",
  "-1.0 > lat",
  "lat == 'north'",
  "class == 'fan' && name == 'pump-1'",
  "class == 'pump' && level == 'fog'",
  "depth == 3",
  "depth > 2 && data('room/temp').avg > 30.0",
  "level == 'fog' && name == 'pump-3'",
  "level",
  "name + 1 == 'x'",
  "zone == 1",
  "[name, zone][1 + 'x'] == 'a'",
  "false && cond.hot",
  "lat > 60.0 && !(level == 'cloud') && !(data('x').last == 1 || class == 'fan' || level == 'cloud' || zone == 1)",
  "!(level == 'fog' || newer || zone == 1)",
])("[T4] %j is certainly false for a fog and its fifty pumps", (text) => {
  expect(mayHold(text, below)).toBe(false);
});

test.each([
  "",
  "true",
  "zone == 'hall-7'",
  "'pump' in tags",
  "level == 'fog'",
  "name == 'pump-49'",
  "name != 'pump-49'",
  "!(name == 'pump-49')",
  "name in ['pump-3']",
  "name.endsWith('-3')",
  "lat > 50.2 && lat < 50.3",
  "lat == 50.25",
  "!(lat == 50.25)",
  "class == 'pump'",
  "depth == 2",
  "data('room/temp').avg > 30.0",
  "!(data('room/temp').avg > 30.0)",
  "kv('a') == 1 || false",
  "cond.hot",
  "!cond.hot",
  "something.newer == 4",
  "level == 'fog' ? false : newer",
  "has(data('x').avg)",
  "[data('x').avg, 1] == [1, 1]",
  "{'a': newer}.a",
  "(zone == 1 && newer) ? false : true",
])("[J8] %j may hold for one of them", (text) => {
  expect(mayHold(text, below)).toBe(true);
});

test("[J8] what a node on the way did not pass on may be anything; what a node has not, it has not", () => {
  const { site: _, ...older } = member({ name: "a" });
  for (const text of ["class == 'pump'", "lat > 52.0", "!(class == 'pump')"]) {
    expect(mayHold(text, [older])).toBe(true);
    expect(mayHold(text, [member({ name: "a" })])).toBe(false);
  }
  expect(mayHold("depth == 7", [member({ name: "a", depth: undefined })])).toBe(true);
  expect(mayHold("zone != 'x'", [member({ name: "a" })])).toBe(false);
});

test("[J8] zeros of both signs are two positions", () => {
  const zeros = [0, -0].map((lat) => member({ name: `n${lat}`, site: { lat, lon: undefined, class: undefined } }));
  expect(mayHold("1.0 / lat > 0.0", zeros)).toBe(true);
  expect(mayHold("1.0 / lat < 0.0", zeros)).toBe(true);
  expect(mayHold("lat != 0.0 && lat > 1.0", zeros)).toBe(false);
});

test("[J8] a call that names one zone of fifty, or one node of ten thousand, goes one way", () => {
  const summaries = Array.from({ length: 50 }, (_, zone) =>
    summarize(Array.from({ length: 200 }, (_unused, n) => member({ name: `n-${zone}-${n}`, zone: `zone-${zone}` }))),
  );
  const ways = (text: string): number =>
    summaries.filter((summary) => mayHoldFor(parsed(text), summary, new StepBudget(1_000))).length;
  expect(ways("zone == 'zone-13'")).toBe(1);
  expect(ways("zone in ['zone-13', 'zone-14', 'nowhere']")).toBe(2);
  expect(ways("name == 'n-13-13'")).toBe(1);
  expect(ways("name.startsWith('n-13-')")).toBe(1);
  expect(ways("level == 'device'")).toBe(50);
});

test("[J-S8] when the steps are spent, the answer is that it may hold", () => {
  const text = "tags.exists(t, t == 'valve')";
  expect(mayHold(text, below)).toBe(false);
  expect(mayHold(text, below, 3)).toBe(true);
  const names = Array.from({ length: 10_000 }, (_, n) => member({ name: `n-${n}` }));
  expect(mayHold("name.contains('x') || name.contains('y')", names, 1_000)).toBe(true);
});

const word = fc.constantFrom("a", "b", "ab", "pump");
const position = {
  lat: fc.option(fc.constantFrom(0, -0, 1, 52.5, 53), { nil: undefined, freq: 9 }),
  lon: fc.option(fc.constantFrom(-1, 13.4), { nil: undefined }),
};
/** Nodes that differ in little, so that they fall into one group. */
const alike: fc.Arbitrary<readonly Member[]> = fc
  .tuple(
    fc.record({
      level: fc.constantFrom("device", "fog", "cloud"),
      zone: fc.option(word, { nil: undefined }),
      tags: fc.array(word, { maxLength: 3 }),
      depth: fc.option(fc.nat(3), { nil: undefined }),
      class: fc.option(word, { nil: undefined }),
    }),
    fc.array(fc.record({ name: fc.constantFrom("a", "b", "n1", "n2", "n3", "pump"), ...position }), {
      minLength: 1,
      maxLength: 4,
    }),
  )
  .map(([{ class: kind, ...profile }, nodes]) =>
    nodes.map(({ name, lat, lon }) => ({ ...profile, name, site: { lat, lon, class: kind } })),
  );
const hidden: fc.Arbitrary<Subject> = fc.record({
  data: fc.option(
    fc.constantFrom(
      () => ({ last: 1, count: 1, avg: 1, min: 1, max: 1 }),
      () => ({ last: "a", count: 0 }),
      () => ({ last: { a: true, b: 52.5 }, count: 0 }),
    ),
    { nil: undefined },
  ),
  named: fc.option(
    fc.constantFrom("level == 'fog'", "true", "zone").map((text) => new Map([["hot", parsed(text)]])),
    { nil: undefined },
  ),
});

test("[T4] [J8] a summary never says false of a condition that holds on one of its nodes", () => {
  let held = 0;
  let pruned = 0;
  const nodes = fc.array(fc.tuple(alike, hidden, fc.boolean()), { minLength: 1, maxLength: 2 });
  fc.assert(
    fc.property(conditionText, nodes, (text, groups) => {
      const condition = parsed(text);
      const reported = groups.flatMap(([members, , isPassedOn]) =>
        members.map((one) => (isPassedOn ? one : { ...one, site: undefined })),
      );
      // A node knows its depth, whatever is known elsewhere.
      const holds = groups.some(([members, more]) =>
        members.some((one) => evaluateCondition(condition, { ...subjectOf(one, more), depth: one.depth ?? 2 })),
      );
      const may = mayHoldFor(condition, summarize(reported), new StepBudget(plenty));
      if (holds) held++;
      if (!may) pruned++;
      expect(may || !holds).toBe(true);
      const alone = reported.map((one) =>
        [summarize([one]), summarizeAlike(one)].map((summary) =>
          mayHoldFor(condition, summary, new StepBudget(plenty)),
        ),
      );
      for (const [one, anyLikeIt] of alone) expect(anyLikeIt === true || one === false).toBe(true);
    }),
    { numRuns: 10_000 },
  );
  // Else it proves nothing.
  expect(held).toBeGreaterThan(300);
  expect(pruned).toBeGreaterThan(300);
});

test("[T4] [J8] where a text asks for names, it holds on no node of another name, whatever else is in it", () => {
  const names = (text: string): readonly string[] | undefined =>
    namesIn(parsed(text)) && [...(namesIn(parsed(text)) ?? [])];
  expect(names("name == 'a' || name in ['b', 'c'] && 'a' == level")).toEqual(["a", "b", "c"]);
  expect(names("1 / 0 == 1 && 'a' == name && name in ['b', 'a']")).toEqual(["a"]);
  for (const text of [
    "",
    "name != 'a'",
    "!(name == 'a')",
    "name == 'a' || level == 'fog'",
    "name in tags",
    "name == level",
  ])
    expect(names(text)).toBeUndefined();
  let excluded = 0;
  fc.assert(
    fc.property(conditionText, fc.constantFrom("a", "n1", "pump"), alike, hidden, (part, name, members, more) => {
      const text = `(${part}) && name == '${name}'`;
      const asked = namesIn(parsed(text));
      for (const one of members.filter((each) => asked?.has(each.name) === false)) {
        excluded++;
        expect(evaluateCondition(parsed(text), { ...subjectOf(one, more), depth: 2 })).toBe(false);
      }
    }),
    { numRuns: 10_000 },
  );
  expect(excluded).toBeGreaterThan(10_000);
});
