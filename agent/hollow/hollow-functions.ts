// What hollow nodes answer.
import type { PlainValue } from "#shared/machine/plain-value.ts";
import type { HollowSelf } from "./hollow-link.ts";

export type HollowFunction = (args: PlainValue, self: HollowSelf) => PlainValue;

/** `ping`, `echo` and `info` as on every node, and those of `answers`, which answer the same to everything. */
export function hollowFunctions(
  now: () => number,
  answers: ReadonlyMap<string, PlainValue>,
): ReadonlyMap<string, HollowFunction> {
  return new Map<string, HollowFunction>([
    ["ping", () => ({ time: new Date(now()).toISOString() })],
    ["echo", (args) => args],
    ["info", (_args, { name, place: { level, zone, tags } }) => ({ name, level, tags, ...(zone && { zone }) })],
    ...Array.from(answers, ([name, answer]): [string, HollowFunction] => [name, () => answer]),
  ]);
}
