import fc from "fast-check";
import { expect, test } from "vitest";
import { parseCondition, type Condition } from "#shared/condition/condition.ts";
import { evaluateCondition } from "#shared/condition/evaluate.ts";
import type { Subject } from "#shared/condition/subject.ts";
import { viewOfMember } from "#shared/condition/summary.ts";
import { viewOf, type View } from "#shared/condition/view.ts";
import { explainIn, type Verdict } from "#shared/condition/why.ts";
import { conditionText } from "./condition-grammar.ts";

function parsed(text: string): Condition {
  const condition = parseCondition(text);
  if ("error" in condition) throw new Error(condition.error.message);
  return condition.ok;
}

const subject: Subject = {
  level: "device",
  name: "pump-1",
  zone: "hall-7",
  tags: ["pump", "old"],
  depth: 2,
  data: (path) => (path === "room/temp" ? { last: 31, count: 2, avg: 30.5, min: 30, max: 31 } : undefined),
  named: new Map([
    ["hot", parsed("data('room/temp').avg > 30.0")],
    ["broken", parsed("data('nothing').avg > 30.0")],
  ]),
};
/** What others know of a node. */
const member = { name: "pump-1", level: "device", zone: "hall-7", tags: [] as readonly string[], depth: 2 };
/** One that says nothing of its place and its kind. */
const fromElsewhere = viewOfMember({ ...member, site: { lat: undefined, lon: undefined, class: undefined } });
const explain = (text: string, view: View = viewOf(subject)): Verdict => explainIn(parsed(text), view);

test.each<[string, Verdict["result"], string]>([
  ["", "true", "the empty condition always holds"],
  ["level == 'device'", "true", "level == 'device' is true: level is \"device\""],
  ["level == 'device' && zone == 'roof'", "false", "zone == 'roof' is false: zone is \"hall-7\""],
  [
    "zone == 'roof' || !('pump' in tags)",
    "false",
    'zone == \'roof\' || !(\'pump\' in tags) is false: zone is "hall-7", tags is ["pump", "old"]',
  ],
  ["!(zone == 'roof' || 'old' in tags)", "false", '\'old\' in tags is true: tags is ["pump", "old"]'],
  [
    "tags.exists(t, t == name)",
    "false",
    'tags.exists(t, t == name) is false: tags is ["pump", "old"], name is "pump-1"',
  ],
  ["data('room/temp').avg > 31.0", "false", "data('room/temp').avg > 31.0 is false: data('room/temp').avg is 30.5"],
  ["cond.hot", "true", "cond.hot is true"],
  ["cond.hot && depth == 1", "false", "depth == 1 is false: depth is 2"],
  [
    "cond.broken",
    "false",
    'cond.broken has no answer: 1:6: cond.broken: 1:1: nothing has been published on "/data/nothing" here',
  ],
  ["lat > 52.0 && level == 'device'", "false", 'lat > 52.0 has no answer: 1:1: "lat" is not known here'],
  ["lat > 52.0 || level == 'device'", "true", "level == 'device' is true: level is \"device\""],
  ["name", "false", 'name is "pump-1"'],
])("[J8] %j is %s, and it says why", (text, result, why) => {
  expect(explain(text)).toEqual({ result, why });
});

test.each<[string, Verdict["result"], string]>([
  ["zone == 'hall-7'", "true", "zone == 'hall-7' is true: zone is \"hall-7\""],
  [
    "zone == 'hall-7' && data('x').avg > 1.0",
    "unknown",
    "data('x').avg > 1.0 depends on what only the node knows: data('x').avg is known to the node alone",
  ],
  ["lat > 1.0 && data('x').avg > 1.0", "false", "lat > 1.0 has no answer: 1:1: it has no lat"],
  ["!(lat > 1.0 || data('x').avg > 1.0)", "false", "lat > 1.0 has no answer: 1:3: it has no lat"],
  ["zone == 'roof' && cond.hot", "false", "zone == 'roof' is false: zone is \"hall-7\""],
])("[J8] from elsewhere %j is %s, and it says why", (text, result, why) => {
  expect(explain(text, fromElsewhere)).toEqual({ result, why });
});

test("[J8] from elsewhere nothing is certain of a part that may have no answer", () => {
  expect(explain("!(data('x').last in [])", fromElsewhere).result).toBe("unknown");
  expect(explain("!(data('x').last in tags)", fromElsewhere).result).toBe("unknown");
});

test("[J-S8] an explanation is bounded like the evaluation, and so is what it shows", () => {
  const long = viewOf({ tags: Array.from({ length: 60 }, (_, n) => `${n}`.repeat(100)) });
  expect(explain("tags.all(a, tags.all(b, a != b + 'x'))", long)).toEqual({
    result: "unknown",
    why: "it takes more than 1000 steps",
  });
  const { why } = explain(`tags == [] || '${"x".repeat(500)}' in tags`, long);
  expect(why.length).toBeLessThan(400);
});

test("[J8] an explanation says what the evaluation says, and from elsewhere never the opposite", () => {
  const site = { lat: 52.5, lon: undefined, class: "pump" };
  const reported = { ...member, tags: ["pump", "old"], site };
  const known = { ...subject, lat: site.lat, class: site.class };
  const counts = { true: 0, false: 0, unknown: 0 };
  fc.assert(
    fc.property(conditionText, (text) => {
      const holds = String(evaluateCondition(parsed(text), known));
      expect(explain(text, viewOf(known)).result).toBe(holds);
      const { result } = explain(text, viewOfMember(reported));
      counts[result]++;
      expect([holds, "unknown"]).toContain(result);
    }),
    { numRuns: 3_000 },
  );
  // Else it proves little.
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(100);
});
