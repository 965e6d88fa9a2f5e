import fc from "fast-check";
import { generate, parser, type Packet } from "mqtt-packet";
import { expect, test } from "vitest";
import {
  acknowledgement,
  encodeAcknowledgement,
  encodeDisconnect,
  readAcknowledgement,
  readDisconnect,
} from "#shared/mqtt/acknowledgement-packet.ts";
import { MqttProtocolError } from "#shared/mqtt/protocol-error.ts";
import { reason } from "#shared/mqtt/reason-codes.ts";

const commands = ["puback", "pubrec", "pubrel", "pubcomp"] as const;
const anyCommand = fc.constantFrom(...commands);
const anyId = fc.integer({ min: 1, max: 0xffff });
const anyText = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((text) => !text.includes("\0"));
const codesOf = {
  puback: [0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
  pubrec: [0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
  pubrel: [0, 0x92],
  pubcomp: [0, 0x92],
} as const;

function parsed(bytes: Uint8Array): readonly Packet[] {
  const found: Packet[] = [];
  const one = parser({ protocolVersion: 5 });
  one.on("packet", (packet) => void found.push(packet));
  one.parse(Buffer.from(bytes));
  return found;
}

test("acknowledgements of mqtt-packet are read as they were meant, in each of their forms", () => {
  fc.assert(
    fc.property(anyCommand, anyId, fc.nat(), fc.option(anyText), (cmd, messageId, pick, reasonString) => {
      const reasonCode = codesOf[cmd][pick % codesOf[cmd].length] ?? 0;
      const properties = reasonString === null ? {} : { properties: { reasonString } };
      const five = generate({ cmd, messageId, reasonCode, ...properties }, { protocolVersion: 5 });
      expect(five[0]).toBe(acknowledgement[cmd]);
      expect(readAcknowledgement(five, 2, five.length, 5)).toEqual({ packetId: messageId, reasonCode });
      const older = generate({ cmd, messageId }, { protocolVersion: 4 });
      for (const level of [3, 4, 5] as const)
        expect(readAcknowledgement(older, 2, older.length, level)).toEqual({ packetId: messageId, reasonCode: 0 });
    }),
    { numRuns: 200 },
  );
});

test("ours are read by mqtt-packet as they were meant", () => {
  fc.assert(
    fc.property(anyCommand, anyId, fc.nat(), fc.option(anyText), (cmd, messageId, pick, reasonString) => {
      const reasonCode = codesOf[cmd][pick % codesOf[cmd].length] ?? 0;
      const properties = reasonString === null ? {} : { reasonString };
      const bytes = encodeAcknowledgement(acknowledgement[cmd], messageId, reasonCode, properties);
      expect(parsed(bytes)).toMatchObject([
        { cmd, messageId, reasonCode, ...(reasonString !== null && { properties: { reasonString } }) },
      ]);
      expect(readAcknowledgement(bytes, 2, bytes.length, 5)).toEqual({ packetId: messageId, reasonCode });
    }),
    { numRuns: 200 },
  );
});

test("an identifier of 0, a reason that does not exist and bytes too many or too few are errors", () => {
  const table: readonly (readonly [readonly number[], 4 | 5, number])[] = [
    [[0, 0], 4, reason.protocolError],
    [[], 4, reason.malformedPacket],
    [[1], 5, reason.malformedPacket],
    [[0, 1, 0], 4, reason.malformedPacket],
    [[0, 1, 0x7f], 5, reason.malformedPacket],
    [[0, 1, 0, 5], 5, reason.malformedPacket],
    [[0, 1, 0, 0, 0], 5, reason.malformedPacket],
    [[0, 1, 0, 3, 0x21, 0, 1], 5, reason.protocolError],
  ];
  for (const [body, level, reasonCode] of table) {
    const bytes = Uint8Array.from(body);
    expect(() => readAcknowledgement(bytes, 0, bytes.length, level), String(body)).toThrow(
      expect.objectContaining({ reasonCode }),
    );
  }
});

test("DISCONNECT is nothing but its header before MQTT 5, and has a reason and properties since", () => {
  const bytes = generate(
    { cmd: "disconnect", reasonCode: 4, properties: { sessionExpiryInterval: 60, reasonString: "so" } },
    { protocolVersion: 5 },
  );
  expect(readDisconnect(bytes, 2, bytes.length, 5)).toEqual({
    reasonCode: 4,
    properties: { sessionExpiry: 60, reasonString: "so" },
  });
  expect(readDisconnect(bytes, 2, 2, 5)).toEqual({ reasonCode: 0, properties: {} });
  expect(readDisconnect(bytes, 2, 3, 5)).toEqual({ reasonCode: 4, properties: {} });
  expect(readDisconnect(bytes, 2, 2, 4)).toEqual({ reasonCode: 0, properties: {} });
  expect(() => readDisconnect(bytes, 2, 3, 4)).toThrow(MqttProtocolError);
  for (const code of [0x01, 0x8b, 0x8d, 0x8e, 0xff])
    expect(() => readDisconnect(Uint8Array.of(code), 0, 1, 5)).toThrow(MqttProtocolError);
});

test("our DISCONNECT is read by mqtt-packet as it was meant", () => {
  expect(parsed(encodeDisconnect(0x8e, { reasonString: "taken over" }))).toMatchObject([
    { cmd: "disconnect", reasonCode: 0x8e, properties: { reasonString: "taken over" } },
  ]);
  expect(parsed(encodeDisconnect(0x81, {}))).toMatchObject([{ cmd: "disconnect", reasonCode: 0x81 }]);
});
