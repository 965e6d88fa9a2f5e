import fc from "fast-check";
import { expect, test } from "vitest";
import { PacketReader } from "#shared/mqtt/packet-reader.ts";
import { PacketWriter } from "#shared/mqtt/packet-writer.ts";
import { allowedIn, propertyId, readProperties, writeProperties, type Properties } from "#shared/mqtt/properties.ts";
import { MqttProtocolError } from "#shared/mqtt/protocol-error.ts";
import { reason } from "#shared/mqtt/reason-codes.ts";

const names = Object.keys(propertyId) as (keyof Properties)[];
const everything: ReadonlySet<keyof Properties> = new Set(names);
const anyText = fc.string({ unit: "grapheme", maxLength: 12 }).filter((text) => !text.includes("\0"));
const anyFlag = fc.nat(1);
const anyTwo = fc.nat(0xffff);
const anyFour = fc.integer({ min: 0, max: 0xffff_ffff });
const anyBytes = fc.uint8Array({ maxLength: 12 });
const positiveTwo = fc.integer({ min: 1, max: 0xffff });
const arbitraries: { readonly [N in keyof Required<Properties>]: fc.Arbitrary<Required<Properties>[N]> } = {
  payloadFormat: anyFlag,
  messageExpiry: anyFour,
  contentType: anyText,
  responseTopic: anyText,
  correlationData: anyBytes,
  subscriptionId: fc.integer({ min: 1, max: 268_435_455 }),
  sessionExpiry: anyFour,
  assignedClientId: anyText,
  serverKeepAlive: anyTwo,
  authenticationMethod: anyText,
  authenticationData: anyBytes,
  requestProblemInformation: anyFlag,
  willDelay: anyFour,
  requestResponseInformation: anyFlag,
  responseInformation: anyText,
  serverReference: anyText,
  reasonString: anyText,
  receiveMaximum: positiveTwo,
  topicAliasMaximum: anyTwo,
  topicAlias: positiveTwo,
  maximumQos: anyFlag,
  retainAvailable: anyFlag,
  userProperties: fc.array(fc.tuple(anyText, anyText), { minLength: 1, maxLength: 3 }),
  maximumPacketSize: fc.integer({ min: 1, max: 0xffff_ffff }),
  wildcardAvailable: anyFlag,
  subscriptionIdsAvailable: anyFlag,
  sharedAvailable: anyFlag,
};
const anyProperties = fc.record(arbitraries, { requiredKeys: [] }) as fc.Arbitrary<Properties>;

function encoded(properties: Properties): Uint8Array {
  const writer = new PacketWriter();
  writeProperties(writer, properties);
  return writer.fields();
}

function read(bytes: Uint8Array, allowed: ReadonlySet<keyof Properties> = everything): Properties {
  const reader = new PacketReader(bytes, 0, bytes.length);
  const properties = readProperties(reader, allowed);
  reader.finish();
  return properties;
}

/** The error with that code. */
const codeOf = (reasonCode: number) => expect.objectContaining({ reasonCode }) as MqttProtocolError;

test("any properties come back as they were", () => {
  fc.assert(
    fc.property(anyProperties, (properties) => {
      expect(read(encoded(properties))).toEqual(properties);
    }),
    {
      numRuns: 300,
    },
  );
});

test("they end with their length, and what follows is not theirs", () => {
  const bytes = Uint8Array.from([...encoded({ receiveMaximum: 5 }), 0x21, 0, 7]);
  const reader = new PacketReader(bytes, 0, bytes.length);
  expect(readProperties(reader, everything)).toEqual({ receiveMaximum: 5 });
  expect(reader.left).toBe(3);
});

test("each may come once, but for user properties", () => {
  fc.assert(
    fc.property(fc.constantFrom(...names), anyProperties, (name, properties) => {
      fc.pre(properties[name] !== undefined);
      const one = encoded({ [name]: properties[name] }).subarray(1); // short enough for one byte of length
      fc.pre(one.length < 64);
      const twice = Uint8Array.from([one.length * 2, ...one, ...one]);
      if (name === "userProperties")
        expect(read(twice).userProperties).toHaveLength((properties[name]?.length ?? 0) * 2);
      else expect(() => read(twice)).toThrow(codeOf(reason.protocolError));
    }),
    { numRuns: 300 },
  );
});

test("what does not belong into a packet is a protocol error, what does not exist is malformed", () => {
  for (const [packet, allowed] of Object.entries(allowedIn)) {
    for (const name of names) {
      const value = fc.sample<unknown>(arbitraries[name], { numRuns: 1, seed: 1 })[0];
      const bytes = encoded({ [name]: value });
      if ((allowed as ReadonlySet<string>).has(name)) expect(read(bytes, allowed), packet).toEqual({ [name]: value });
      else expect(() => read(bytes, allowed), `${packet} ${name}`).toThrow(codeOf(reason.protocolError));
    }
  }
  const known = new Set<number>(Object.values(propertyId));
  for (let id = 0; id < 128; id++)
    if (!known.has(id)) expect(() => read(Uint8Array.of(2, id, 0))).toThrow(codeOf(reason.malformedPacket));
});

test("a flag is 0 or 1, and some numbers are not 0", () => {
  for (const id of [0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a])
    expect(() => read(Uint8Array.of(2, id, 2))).toThrow(codeOf(reason.protocolError));
  for (const bytes of [
    [3, 0x21, 0, 0],
    [3, 0x23, 0, 0],
    [5, 0x27, 0, 0, 0, 0],
    [2, 0x0b, 0],
  ])
    expect(() => read(Uint8Array.from(bytes))).toThrow(codeOf(reason.protocolError));
});

test("a length that fits neither the packet nor the properties is malformed", () => {
  for (const bytes of [
    [],
    [0x80],
    [4, 0x21, 0, 5], // more than there is
    [2, 0x21, 0, 5], // the property reaches beyond the properties
    [1, 0x26],
    [3, 0x03, 0xff, 0xff],
    [0x80, 0x00],
    [0xff, 0xff, 0xff, 0xff],
  ])
    expect(() => read(Uint8Array.from(bytes))).toThrow(codeOf(reason.malformedPacket));
});

test("any bytes are properties or an error that names a reason", () => {
  const anyHostile = fc.oneof(
    fc.uint8Array({ maxLength: 30 }),
    fc.tuple(anyProperties, fc.nat(), fc.nat(255)).map(([properties, at, byte]) => {
      const bytes = encoded(properties);
      bytes[at % bytes.length] = byte;
      return bytes;
    }),
  );
  fc.assert(
    fc.property(anyHostile, (bytes) => {
      try {
        read(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(MqttProtocolError);
      }
    }),
    { numRuns: 500 },
  );
});
