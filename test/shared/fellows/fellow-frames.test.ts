import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeCbor, encodeCbor } from "#shared/cbor.ts";
import {
  decodeFellowFrame,
  encodeFellowAck,
  encodeFellowMessage,
  type FellowMessage,
} from "#shared/fellows/fellow-frames.ts";
import { limits } from "#shared/limits.ts";
import { fellowOf } from "../../fakes/made-fellows.ts";

const [from, to] = [fellowOf(1).uuid, fellowOf(2).uuid];
const count = fc.oneof(fc.nat(1_000), fc.constantFrom(2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER));
const made: fc.Arbitrary<FellowMessage> = fc.record({
  from: fc.constant(from),
  to: fc.constant(to),
  life: count,
  number: count,
  floor: fc.constant(0),
  subject: fc.string({ maxLength: 64 }),
  body: fc.uint8Array({ maxLength: 40 }),
  answers: fc.option(fc.record({ life: count, number: count }), { nil: undefined }),
});

test("a message reads back as it was written", () => {
  fc.assert(
    fc.property(made, (message) => {
      const whole = { ...message, floor: message.number };
      expect(decodeFellowFrame(encodeFellowMessage(whole))).toEqual({ frame: { type: "message", message: whole } });
    }),
  );
});

test("an acknowledgement reads back as it was written", () => {
  fc.assert(
    fc.property(count, count, count, (life, number, newestLife) => {
      const ack = { from, to, life, number, newestLife };
      expect(decodeFellowFrame(encodeFellowAck(ack))).toEqual({ frame: { type: "ack", ack } });
    }),
  );
});

test("unknown keys are passed over", () => {
  const ack = { from, to, life: 1, number: 2, newestLife: 1 };
  const map = decodeCbor(encodeFellowAck(ack))?.value;
  expect(map).toBeInstanceOf(Map);
  const more = encodeCbor(new Map([...(map as Map<unknown, unknown>), [99, "later"]]));
  expect(decodeFellowFrame(more)).toEqual({ frame: { type: "ack", ack } });
});

const message: FellowMessage = {
  from,
  to,
  life: 1,
  number: 2,
  floor: 2,
  subject: "s",
  body: new Uint8Array(1),
  answers: undefined,
};

test("what is not a frame is malformed, and says why", () => {
  const fields = decodeCbor(encodeFellowMessage(message))?.value as Map<unknown, unknown>;
  const changes: readonly (readonly [number, unknown])[] = [
    [0, 7],
    [1, "server-1"],
    [2, fellowOf(10).uuid.toUpperCase()],
    [3, -1],
    [4, 1.5],
    [5, 3], // above its own number
    [6, "x".repeat(65)],
    [7, "text"],
    [7, new Uint8Array(limits.fellowMessageBytes + 1)],
    [8, [1, 2, 3]],
  ];
  for (const [key, value] of changes) {
    const bytes = encodeCbor(new Map(fields).set(key, value));
    expect({ key, ...decodeFellowFrame(bytes) }).toEqual({ key, malformed: expect.any(String) });
  }
});

test("no bytes break the reader", () => {
  const bytes = encodeFellowMessage(message);
  const flips = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 6 });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), flips), (chaos) => {
      const changed = chaos instanceof Uint8Array ? chaos : bytes.slice();
      if (!(chaos instanceof Uint8Array)) for (const [at, byte] of chaos) changed[at] = byte;
      const decoded = decodeFellowFrame(changed);
      expect("frame" in decoded || decoded.malformed.length > 0).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});

test("a body does not alias the packet that it came in", () => {
  const bytes = encodeFellowMessage({ ...message, body: Uint8Array.of(5, 6, 7) });
  const decoded = decodeFellowFrame(bytes);
  bytes.fill(0);
  expect(decoded).toMatchObject({ frame: { message: { body: Uint8Array.of(5, 6, 7) } } });
});
