import fc from "fast-check";
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { decodeEntries, decodeSpooled, encodeSpooled, spooledBytes, SpoolBuilder } from "#shared/mqtt/spool.ts";
import type { QueuedMessage, Spool, SpooledMessage } from "#shared/system/session-store.ts";

const anyBytes = fc.uint8Array({ maxLength: 40 });
const anyMessage: fc.Arbitrary<SpooledMessage> = fc.record({
  topic: fc.oneof(fc.string({ maxLength: 30 }), fc.string({ unit: "grapheme", maxLength: 30 })),
  payload: anyBytes,
  qos: fc.constantFrom(0, 1, 2),
  properties: anyBytes,
  expiresAtMs: fc.oneof(fc.constant(0), fc.maxSafeNat()),
});
const anyDelivery = fc.record({
  session: fc.integer({ min: 1, max: 4 }),
  skipped: fc.constantFrom(0, 0, 0, 5),
  qos: fc.constantFrom(1 as const, 2 as const),
  retain: fc.boolean(),
  subscriptionIds: fc.array(fc.integer({ min: 1, max: 268_435_455 }), { maxLength: 4 }),
  group: fc.constantFrom("", "", "$share/g/a/+", "$share/é/#"),
});

function message(payloadBytes: number, topic = "a/b"): SpooledMessage {
  return { topic, payload: new Uint8Array(payloadBytes), qos: 1, properties: new Uint8Array(0), expiresAtMs: 0 };
}

/** What waits for each session, read back, with the queues' sums checked on the way. */
function readBack(spools: readonly Spool[]): Map<number, QueuedMessage[]> {
  const bySession = new Map<number, QueuedMessage[]>();
  for (const { body, queues } of spools) {
    for (const { session, first, count, bytes, entries } of queues) {
      const decoded = decodeEntries(entries) ?? [];
      expect(decoded).toHaveLength(count);
      expect(decoded.reduce((sum, entry) => sum + entry.bytes, 0)).toBe(bytes);
      expect(decoded.at(-1)?.end).toBe(entries.length);
      const list = bySession.get(session) ?? [];
      bySession.set(session, list);
      decoded.forEach(({ place, qos, retain, subscriptionIds, group, bytes: cost }, index) => {
        const found = decodeSpooled(body, place);
        if (found === undefined) throw new Error(`no message at ${place}`);
        const { topic, properties, payload } = found;
        expect(cost).toBe(new TextEncoder().encode(topic + group).length + properties.length + payload.length);
        expect(spooledBytes(body, place)).toBe(encodeSpooled(found).length);
        list.push({ number: first + index, message: found, qos, retain, subscriptionIds, group });
      });
    }
  }
  return bySession;
}

test("a message comes back as it was", () => {
  fc.assert(
    fc.property(anyMessage, (one) => {
      expect(decodeSpooled(encodeSpooled(one), 0)).toEqual(one);
    }),
  );
  const marked = { ...message(3), topic: "\u{feff}a" };
  expect(decodeSpooled(encodeSpooled(marked), 0)?.topic).toBe("\u{feff}a");
});

test("what was enqueued comes back per session, in order, with numbers that may skip", () => {
  const anyMessages = fc.array(fc.tuple(anyMessage, fc.array(anyDelivery, { maxLength: 6 })), { maxLength: 30 });
  fc.assert(
    fc.property(anyMessages, (messages) => {
      const builder = new SpoolBuilder();
      const expected = new Map<number, QueuedMessage[]>();
      const lastNumbers = new Map<number, number>();
      for (const [one, deliveries] of messages) {
        builder.add(one);
        for (const { session, skipped, qos, retain, subscriptionIds, group } of deliveries) {
          const number = (lastNumbers.get(session) ?? 0) + 1 + skipped;
          lastNumbers.set(session, number);
          builder.enqueue(session, number, qos, retain, subscriptionIds, 7, group);
          const list = expected.get(session) ?? [];
          expected.set(session, list);
          list.push({ number, message: one, qos, retain, subscriptionIds, group });
        }
      }
      expect(builder.isEmpty).toBe(expected.size === 0);
      const spools = builder.finish();
      expect(readBack(spools)).toEqual(expected);
      expect(builder.isEmpty).toBe(true);
      expect(builder.bytes).toBe(0);
      expect(builder.finish()).toEqual([]);
    }),
  );
});

test("a spool closes at its bytes and at its messages; a single message may be larger", () => {
  const build = (sizes: readonly number[]) => {
    const builder = new SpoolBuilder();
    sizes.forEach((size, index) => {
      builder.add(message(size));
      builder.enqueue(1, index + 1, 1, false, [], index);
    });
    const { bytes } = builder;
    const spools = builder.finish();
    const entryBytes = spools.flatMap(({ queues }) => queues).reduce((sum, { entries }) => sum + entries.length, 0);
    expect(bytes).toBe(entryBytes + spools.reduce((sum, { body }) => sum + body.length, 0));
    return spools.map(({ body, queues }) => ({ bytes: body.length, ...queues[0] }));
  };
  expect(build(Array.from({ length: 2_001 }, () => 1))).toMatchObject([
    { first: 1, count: limits.segmentItems, sent: 999 },
    { first: 1_001, count: limits.segmentItems, sent: 1_999 },
    { first: 2_001, count: 1, sent: 2_000 },
  ]);
  const half = limits.segmentBytes / 2;
  expect(build([half, half, half]).map(({ count }) => count)).toEqual([1, 1, 1]);
  expect(build([half - 100, half - 100, 10, 1_000]).map(({ count }) => count)).toEqual([3, 1]);
  const large = build([10, 3 * limits.segmentBytes, 10]);
  expect(large.map(({ count }) => count)).toEqual([1, 1, 1]);
  expect(large[1]?.bytes).toBeGreaterThan(3 * limits.segmentBytes);
});

test("arrays of a spool have buffers of their own and exact size, and nobody waits for what was only added", () => {
  const builder = new SpoolBuilder();
  builder.add(message(10));
  expect(builder.isEmpty).toBe(true);
  expect(builder.finish()).toEqual([]);
  expect(() => builder.enqueue(1, 1, 1, false, [], 0)).toThrow("a message is added before it is enqueued");
  builder.add(message(10));
  for (const session of [1, 2, 3]) builder.enqueue(session, 1, 2, true, [5], 0);
  const [spool] = builder.finish();
  const arrays = [spool?.body, ...(spool?.queues ?? []).map(({ entries }) => entries)];
  expect(arrays.map((bytes) => bytes?.length)).toEqual([7 + 3 + 10, 5, 5, 5]);
  expect(arrays.map((bytes) => bytes?.buffer.byteLength)).toEqual([20, 5, 5, 5]);
});

test("bytes that are no encoding are told, whatever they are", () => {
  const body = encodeSpooled({ ...message(5), properties: new Uint8Array(3), expiresAtMs: 9 });
  const builder = new SpoolBuilder();
  builder.add(message(200));
  builder.enqueue(1, 1, 2, true, [1, 268_435_455], 0, "$share/g/a");
  const entries = builder.finish()[0]?.queues[0]?.entries ?? new Uint8Array(0);
  const broken = (bytes: Uint8Array) =>
    fc
      .tuple(fc.array(fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 })), { maxLength: 4 }), fc.nat())
      .map(([changes, cut]) => {
        const copy = bytes.slice(0, bytes.length - (cut % 4));
        for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
        return copy;
      });
  const any = (bytes: Uint8Array) => fc.oneof(fc.uint8Array({ maxLength: 60 }), broken(bytes));
  fc.assert(
    fc.property(any(body), fc.integer({ min: -2, max: 70 }), (bytes, place) => {
      const found = decodeSpooled(bytes, place);
      const within = found === undefined ? 0 : found.payload.length + found.properties.length;
      expect(within).toBeLessThanOrEqual(bytes.length);
      // What can be read is the one encoding of it.
      if (found !== undefined) expect(bytes.subarray(place)).toEqual(joined(encodeSpooled(found), bytes, place));
    }),
    { numRuns: 2_000 },
  );
  fc.assert(
    fc.property(any(entries), (bytes) => {
      const found = decodeEntries(bytes);
      expect(found?.length ?? 0).toBeLessThanOrEqual(bytes.length / 3);
      if (found !== undefined && found.length > 0) expect(found.at(-1)?.end).toBe(bytes.length);
    }),
    { numRuns: 2_000 },
  );
});

/** `encoded` with what follows it in `bytes`. */
function joined(encoded: Uint8Array, bytes: Uint8Array, place: number): Uint8Array {
  return new Uint8Array([...encoded, ...bytes.subarray(place + encoded.length)]);
}

test("cut, overlong and empty encodings are refused", () => {
  const body = encodeSpooled({ ...message(5), properties: new Uint8Array(3), expiresAtMs: 9 });
  for (let length = 0; length < body.length; length++) {
    expect(decodeSpooled(body.subarray(0, length), 0)).toBeUndefined();
  }
  expect(decodeSpooled(body, 0.5)).toBeUndefined();
  expect(decodeSpooled(Uint8Array.of(3, 0, 0, 0, 0, 0, 1, 97), 0)).toBeUndefined(); // QoS 3
  expect(decodeSpooled(Uint8Array.of(1, 0, 0, 0, 0, 0, 1, 0xff), 0)).toBeUndefined(); // not UTF-8
  expect(decodeSpooled(Uint8Array.of(1, 255, 255, 255, 255, 0, 1, 97), 0)).toBeUndefined(); // longer than all
  expect(decodeEntries(Uint8Array.of())).toEqual([]);
  expect(decodeEntries(Uint8Array.of(1, 5, 6))).toMatchObject([{ place: 5, bytes: 6, qos: 1, end: 3 }]);
  const wrong: readonly (readonly number[])[] = [
    [0, 5, 6], // QoS 0 waits for nobody
    [1, 5],
    [1, 0x80, 0, 6], // not the shortest form
    [1, 255, 255, 255, 255, 1, 6], // five bytes
    [9, 5, 6, 0], // no ids, but said to have some
    [9, 5, 6, 255, 255, 127, 1], // fewer ids than said
    [16, 5, 6],
  ];
  for (const bytes of wrong) expect(decodeEntries(Uint8Array.from(bytes)), String(bytes)).toBeUndefined();
});
