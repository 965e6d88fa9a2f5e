import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeText, PacketReader } from "#shared/mqtt/packet-reader.ts";
import { MqttProtocolError } from "#shared/mqtt/protocol-error.ts";
import { reason } from "#shared/mqtt/reason-codes.ts";

const isMalformed = expect.objectContaining({ reasonCode: reason.malformedPacket });

function reader(...bytes: readonly number[]): PacketReader {
  return new PacketReader(Uint8Array.from(bytes), 0, bytes.length);
}

test("numbers are big-endian", () => {
  const read = reader(0xff, 0x12, 0x34, 0xff, 0xfe, 0xfd, 0xfc);
  expect([read.byte(), read.twoBytes(), read.fourBytes(), read.left]).toEqual([0xff, 0x1234, 0xfffefdfc, 0]);
});

test("nothing is read beyond the end, though the bytes go on", () => {
  const bytes = new Uint8Array(20);
  for (const read of [
    (one: PacketReader) => one.fourBytes(),
    (one: PacketReader) => one.take(4),
    (one: PacketReader) => (one.twoBytes(), one.text()),
    (one: PacketReader) => (one.twoBytes(), one.byte(), one.byte()),
  ])
    expect(() => read(new PacketReader(bytes, 5, 8))).toThrow(isMalformed);
});

test("a variable byte integer has one to four bytes, as few as it needs [MQTT-1.5.5-1]", () => {
  const table: readonly (readonly [readonly number[], number])[] = [
    [[0], 0],
    [[0x7f], 127],
    [[0x80, 0x01], 128],
    [[0xff, 0x7f], 16_383],
    [[0x80, 0x80, 0x01], 16_384],
    [[0xff, 0xff, 0xff, 0x7f], 268_435_455],
  ];
  for (const [bytes, value] of table) expect(reader(...bytes).variableInteger()).toBe(value);
  for (const bytes of [[], [0x80], [0x80, 0x00], [0xff, 0x80, 0x00], [0x80, 0x80, 0x80, 0x80, 0x01]])
    expect(() => reader(...bytes).variableInteger()).toThrow(isMalformed);
});

test("text is UTF-8 without U+0000, and a leading U+FEFF is a part of it [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.4-3]", () => {
  expect(reader(0, 4, 0xef, 0xbb, 0xbf, 0x61).text()).toBe("\u{feff}a");
  expect(reader(0, 0).text()).toBe("");
  const wrong = [[0x61, 0], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82], [0x80], [0xff]];
  for (const bytes of wrong) expect(() => reader(0, bytes.length, ...bytes).text()).toThrow(isMalformed);
});

test("any text comes back from its bytes, and any bytes give a text or a malformed packet", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 12 }), fc.uint8Array({ maxLength: 20 }), (text, bytes) => {
      const isLegal = text.isWellFormed() && !text.includes("\0");
      if (isLegal) expect(decodeText(new TextEncoder().encode(text))).toBe(text);
      try {
        expect(new TextEncoder().encode(decodeText(bytes))).toEqual(bytes);
      } catch (error) {
        if (!(error instanceof MqttProtocolError)) throw error;
      }
    }),
  );
});

test("binary is a view of the packet, and what follows the fields is an error", () => {
  const bytes = Uint8Array.of(9, 0, 2, 7, 8, 5);
  const read = new PacketReader(bytes, 1, 6);
  const field = read.binary();
  expect([...field]).toEqual([7, 8]);
  expect(field.buffer).toBe(bytes.buffer);
  expect(() => read.finish()).toThrow(isMalformed);
  expect(read.byte()).toBe(5);
  expect(() => read.finish()).not.toThrow();
});
