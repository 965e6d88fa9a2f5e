// The group `cond`: conditions with names, checked together because they may refer to one another.
import * as v from "valibot";
import { findNamedFault } from "#shared/condition/named.ts";
import { limits } from "#shared/limits.ts";

const expected = "a group of conditions such as { hot = \"data('room/temp').avg > 30.0\"; }";

export const namedConditionsSchema = v.pipe(
  v.record(v.string(), v.string("a condition as a text"), expected),
  v.maxEntries(limits.namedConditions, `at most ${limits.namedConditions} conditions`),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const fault = findNamedFault(dataset.value);
    if (fault === undefined) return;
    const { name: key } = fault;
    const at = { type: "object", origin: "value", input: dataset.value, key, value: dataset.value[key] } as const;
    addIssue({ message: fault.expected, path: [at] });
  }),
);
