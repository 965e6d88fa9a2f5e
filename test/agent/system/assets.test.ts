import { expect, test } from "vitest";
import { embeddedText } from "#agent/system/assets.ts";

// What the single binary has inside is asked for in test/process/binary.test.ts.
test("a checkout has nothing embedded", () => {
  expect(embeddedText("NOTICES")).toBeUndefined();
});
