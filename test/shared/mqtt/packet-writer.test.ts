import fc from "fast-check";
import { expect, test } from "vitest";
import { PacketReader } from "#shared/mqtt/packet-reader.ts";
import { PacketWriter, variableIntegerBytes } from "#shared/mqtt/packet-writer.ts";

const anyField = fc.oneof(
  fc.record({ kind: fc.constant("byte" as const), value: fc.nat(0xff) }),
  fc.record({ kind: fc.constant("twoBytes" as const), value: fc.nat(0xffff) }),
  fc.record({ kind: fc.constant("fourBytes" as const), value: fc.integer({ min: 0, max: 0xffff_ffff }) }),
  fc.record({ kind: fc.constant("variableInteger" as const), value: fc.nat(268_435_455) }),
  fc.record({ kind: fc.constant("binary" as const), value: fc.uint8Array({ maxLength: 200 }) }),
  fc.record({
    kind: fc.constant("text" as const),
    value: fc.string({ unit: "grapheme", maxLength: 100 }).filter((text) => !text.includes("\0")),
  }),
);
type Field = typeof anyField extends fc.Arbitrary<infer F> ? F : never;

function write(writer: PacketWriter, field: Field): void {
  if (field.kind === "binary") writer.binary(field.value);
  else if (field.kind === "text") writer.text(field.value);
  else writer[field.kind](field.value);
}

test("what was written is read again, field by field", () => {
  fc.assert(
    fc.property(fc.array(anyField, { maxLength: 20 }), (fields) => {
      const writer = new PacketWriter();
      for (const field of fields) write(writer, field);
      const bytes = writer.fields();
      expect(bytes).toHaveLength(writer.used);
      const reader = new PacketReader(bytes, 0, bytes.length);
      for (const { kind, value } of fields) expect(reader[kind]()).toEqual(value);
      expect(reader.left).toBe(0);
    }),
  );
});

test("a packet is its first byte, its length in as few bytes as it needs, and its fields", () => {
  for (const length of [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
    const writer = new PacketWriter();
    writer.raw(new Uint8Array(length).fill(7));
    const packet = writer.packet(0x82);
    const reader = new PacketReader(packet, 1, packet.length);
    expect([packet[0], reader.variableInteger(), reader.left]).toEqual([0x82, length, length]);
    expect(packet.length).toBe(1 + variableIntegerBytes(length) + length);
    expect(packet.subarray(packet.length - length).every((byte) => byte === 7)).toBe(true);
  }
});
