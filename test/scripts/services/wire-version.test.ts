import fc from "fast-check";
import { expect, test } from "vitest";
import { WireVersionRaiser } from "../../../scripts/services/wire-version.ts";

const field = Buffer.from("\u0010maxWireVersion\0", "latin1");

/** A message as it is on the wire: its length, and what is in it. */
function message(...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(4);
  head.writeInt32LE(body.length + 4);
  return Buffer.concat([head, body]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

const greeting = (version: number): Buffer =>
  message(Buffer.from("before"), field, int32(version), Buffer.from("after"));

test("a server that says less says 9, and one that says more is left alone", () => {
  expect(new WireVersionRaiser().push(greeting(7))).toEqual(greeting(9));
  expect(new WireVersionRaiser().push(greeting(25))).toEqual(greeting(25));
});

test("what only looks like it is left alone: data in a large message, and a name at its end", () => {
  for (const other of [message(Buffer.alloc(5_000), field, int32(7)), message(field), message(field, Buffer.alloc(3))])
    expect(new WireVersionRaiser().push(other)).toEqual(other);
});

test("bytes come in any pieces, and go in whole messages", () => {
  const anyMessage = fc.oneof(
    fc.constant(7).map(greeting),
    fc.uint8Array({ maxLength: 50 }).map((bytes) => message(bytes)),
  );
  fc.assert(
    fc.property(fc.array(anyMessage, { maxLength: 8 }), fc.integer({ min: 1, max: 40 }), (messages, size) => {
      const raiser = new WireVersionRaiser();
      const all = Buffer.concat(messages);
      const out: Buffer[] = [];
      for (let at = 0; at < all.length; at += size) out.push(raiser.push(all.subarray(at, at + size)));
      const expected = messages.map((one) => (one.equals(greeting(7)) ? greeting(9) : one));
      expect(Buffer.concat(out)).toEqual(Buffer.concat(expected));
    }),
  );
});
