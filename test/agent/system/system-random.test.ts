import { expect, test } from "vitest";
import { systemRandom } from "#agent/system/system-random.ts";

test("chance stays in its ranges", () => {
  for (let round = 0; round < 1_000; round++) {
    const unit = systemRandom.unit();
    expect(unit >= 0 && unit < 1).toBe(true);
    const integer = systemRandom.uint32();
    expect(Number.isInteger(integer) && integer > 0 && integer < 2 ** 32).toBe(true);
  }
  expect(systemRandom.uuid()).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});
