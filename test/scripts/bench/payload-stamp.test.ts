import fc from "fast-check";
import { expect, test } from "vitest";
import { readStamp, stampBytes, writeStamp } from "../../../scripts/bench/payload-stamp.ts";

test("a stamp is read as it was written, as digits, without touching what stands around it", () => {
  fc.assert(
    fc.property(fc.nat(9999), fc.nat(0x7fffffff), fc.nat(0x7fffffff), (publisher, number, timeMs) => {
      const bytes = new Uint8Array(stampBytes + 4).fill(120);
      writeStamp(bytes, 2, publisher, number, timeMs + 0.125);
      expect(readStamp(bytes, 2)).toEqual({ publisher, number, timeMs: timeMs + 0.125 });
      expect(new TextDecoder().decode(bytes)).toMatch(/^xx\d{30}xx$/);
    }),
  );
});

test("a payload of somebody else has no stamp", () => {
  expect(readStamp(new TextEncoder().encode("21.5 degrees in the hall this morning"), 0).number).toBeNaN();
  expect(readStamp(new Uint8Array(0), 0).publisher).toBeNaN();
});
