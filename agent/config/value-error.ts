// Turns what the schema objects to into one sentence: where, which key, what was expected, what was found.
import type { BaseIssue } from "valibot";
import { assert } from "#shared/assert.ts";
import { FogbankError } from "#shared/errors.ts";
import { quoteBriefly } from "#shared/libconfig/position.ts";
import type { Value } from "#shared/libconfig/setting.ts";
import { didYouMean } from "./did-you-mean.ts";
import { formatOrigin, type ValuesByKey } from "./origin.ts";
import { isConfigKey } from "./schema.ts";
import { streamFields } from "./stream-schema.ts";
import { maskPasswords } from "./uplink-url.ts";

/** FOGBANK_CONFIG_INVALID for the most telling of `issues`. */
export function valueError(
  values: ValuesByKey,
  issues: readonly [BaseIssue<unknown>, ...BaseIssue<unknown>[]],
): FogbankError {
  // A mistyped name is also a missing one; the former explains the latter.
  const issue = issues.find(isUnknownName) ?? issues[0];
  const [top, ...path] = (issue.path ?? []).map((item) => item.key);
  assert(typeof top === "string" && isConfigKey(top), "the schema objects to known keys only");
  const sourced = values.get(top);
  assert(sourced !== undefined, "the schema objects to given values only");
  let value = sourced.value;
  let label: string = top;
  for (const step of path) {
    const inner = memberOf(value, step);
    if (inner === undefined) break;
    value = inner;
    label += typeof step === "number" ? `[${step}]${nameOf(inner)}` : `.${String(step)}`;
  }
  const where = formatOrigin(top, { value, origin: sourced.origin });
  return new FogbankError("FOGBANK_CONFIG_INVALID", `${where}: ${label}: ${complaint(issue, value)}`);
}

/** A value as an error message shows it. */
export function describeValue(value: Value): string {
  switch (value.type) {
    case "string":
      return quoteBriefly(maskPasswords(value.value));
    case "integer":
    case "float":
      return `the number ${value.value}`;
    case "boolean":
      return `the boolean ${value.value}`;
    case "group":
    case "list":
      return `a ${value.type}`;
    case "array":
      return "an array";
  }
}

function complaint(issue: BaseIssue<unknown>, value: Value): string {
  const name = String(issue.path?.at(-1)?.key);
  if (isUnknownName(issue)) return `unknown setting "${name.slice(0, 80)}"${didYouMean(name, streamFields)}`;
  if (issue.type !== "strict_object") return `expected ${issue.message}, found ${describeValue(value)}`;
  // The schema of a group objects to a name that is missing, or to a value that is no group.
  if (value.type === "group") return `expected the setting "${name}" in this group, found none`;
  return `expected a group { }, found ${describeValue(value)}`;
}

/** What a group in a list calls itself: ` "alarms"`. */
function nameOf(value: Value): string {
  if (value.type !== "group") return "";
  const name = value.settings.find((setting) => setting.name === "name")?.value;
  return name?.type === "string" ? ` ${quoteBriefly(name.value)}` : "";
}

function isUnknownName(issue: BaseIssue<unknown>): boolean {
  return issue.type === "strict_object" && issue.expected === "never";
}

function memberOf(value: Value, step: unknown): Value | undefined {
  if (value.type === "group") return value.settings.find((setting) => setting.name === step)?.value;
  if ((value.type === "list" || value.type === "array") && typeof step === "number") return value.items[step];
  return undefined;
}
