import { expect, test } from "vitest";
import { byName } from "#agent/cli/by-name.ts";

test("numbers in names count as numbers", () => {
  expect(["device-10", "fog-1", "device-9"].toSorted(byName)).toEqual(["device-9", "device-10", "fog-1"]);
});
