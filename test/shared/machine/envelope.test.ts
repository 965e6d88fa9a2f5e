import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNodeName } from "#shared/ids.ts";
import { decodeEnvelope, encodeEnvelope, isFunctionName, type Envelope } from "#shared/machine/envelope.ts";
import { limits } from "#shared/limits.ts";

const envelope: fc.Arbitrary<Envelope> = fc.record({
  id: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString("hex")),
  kind: fc.constantFrom("function" as const, "internal" as const, "external" as const, "cancel" as const),
  mode: fc.constantFrom("async" as const, "sync" as const),
  scope: fc.constantFrom("subtree" as const, "machine" as const),
  startAtMs: fc.option(fc.nat({ max: 8_640_000_000_000_000 }), { nil: undefined }),
  minNodes: fc.nat({ max: 1_000_000 }),
  confirm: fc.double({ min: 0, max: 1, noNaN: true }).map((share) => Math.abs(share)),
  durable: fc.boolean(),
  timeMs: fc.nat({ max: 8_640_000_000_000_000 }),
  wantsAll: fc.boolean(),
  look: fc.nat(),
  phase: fc.constantFrom(0 as const, 1 as const, 2 as const),
  name: fc.constantFrom("info", "log-level", "Blink_2.x"),
  args: fc.constantFrom(null, 1, 2 ** 40, "x", [1, "a"], [[null]]),
  condition: fc.constantFrom("", "level == 'device'"),
  origin: fc.constant(parseNodeName("cloud-1")),
  deadlineMs: fc.nat({ max: 8_640_000_000_000_000 }),
  hops: fc.nat({ max: 16 }),
  encoding: fc.constantFrom("json" as const, "cbor" as const),
});

test("an envelope survives the wire", () => {
  fc.assert(
    fc.property(envelope, (sent) => {
      expect(decodeEnvelope(encodeEnvelope(sent))).toEqual({ frame: sent });
    }),
  );
});

test("random bytes, cut ones and too many are malformed, never a throw", () => {
  const check = (bytes: Uint8Array): void => {
    const decoded = decodeEnvelope(bytes);
    expect("frame" in decoded || decoded.malformed !== "").toBe(true);
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), check));
  fc.assert(fc.property(envelope, fc.nat({ max: 200 }), (sent, cut) => check(encodeEnvelope(sent).subarray(0, cut))));
  expect(decodeEnvelope(new Uint8Array(limits.callBytes * 2))).toMatchObject({
    malformed: expect.stringContaining("more than"),
  });
});

test("a function's name is one topic level without wildcards", () => {
  expect(["info", "a.b-c_9"].map(isFunctionName)).toEqual([true, true]);
  expect(["", "a/b", "+", "#", "-x", ".x", "ä", "x".repeat(65)].map(isFunctionName)).toEqual(Array(8).fill(false));
});
