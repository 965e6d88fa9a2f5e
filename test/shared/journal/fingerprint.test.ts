import { expect, test } from "vitest";
import { renewalOf } from "#shared/journal/fingerprint.ts";

const known = { bootId: "boot-1", file: "8:15", birth: "1000" };

test.each([
  ["nothing has changed", known, undefined],
  ["the machine was started anew", { ...known, bootId: "boot-2" }, "reboot"],
  ["another file", { ...known, file: "8:16" }, "other-file"],
  ["a file that was made later in the same place", { ...known, birth: "2000" }, "other-file"],
  ["another file in another boot", { ...known, bootId: "boot-2", file: "8:16" }, "other-file"],
  ["a system that tells nothing", { bootId: undefined, file: undefined, birth: undefined }, undefined],
] as const)("%s", (_what, now, expected) => {
  expect(renewalOf(known, now)).toBe(expected);
  expect(renewalOf(now, known)).toBe(expected);
});
