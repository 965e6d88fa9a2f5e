import fc from "fast-check";
import { expect, test } from "vitest";
import { encodePublish } from "../../../scripts/bench/packets.ts";
import { PublishCycle } from "../../../scripts/bench/publish-cycle.ts";

const payload = new Uint8Array(30);

test("the packets follow each other topic by topic, however they are cut into writes", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.array(fc.nat(90), { maxLength: 20 }), (topics, counts) => {
      const images = Array.from({ length: topics }, (_, i) =>
        encodePublish(`t/${String(i).padStart(5, "0")}`, payload),
      );
      const cycle = new PublishCycle(images);
      const writes = counts.map((count) => {
        const bytes = new Uint8Array(count * cycle.packetBytes);
        cycle.copyTo(bytes);
        return bytes;
      });
      const total = counts.reduce((sum, count) => sum + count, 0);
      const expected = Array.from({ length: total }, (_, i) => images[i % topics]?.bytes ?? payload);
      expect(Buffer.concat(writes)).toEqual(Buffer.concat(expected));
    }),
  );
});

test("packets of different sizes cannot be patched at the same places", () => {
  expect(() => new PublishCycle([encodePublish("a", payload), encodePublish("ab", payload)])).toThrow("differ in size");
  expect(() => new PublishCycle([])).toThrow("at least one");
});
