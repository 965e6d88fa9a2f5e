import fc from "fast-check";
import { generate, type IPublishPacket } from "mqtt-packet";
import { expect, test } from "vitest";
import { PacketReader } from "#shared/mqtt/packet-reader.ts";
import { PacketWriter } from "#shared/mqtt/packet-writer.ts";
import { readProperties, type Properties } from "#shared/mqtt/properties.ts";
import { MqttProtocolError } from "#shared/mqtt/protocol-error.ts";
import { PublishView } from "#shared/mqtt/publish-packet.ts";
import { reason } from "#shared/mqtt/reason-codes.ts";
import type { Qos } from "#shared/system/bus.ts";

const anyText = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((text) => !/[\0+#]/.test(text));
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const anyPublish = fc.record({
  isLevel5: fc.boolean(),
  topic: anyText,
  payload: fc.uint8Array({ maxLength: 400 }),
  qos: fc.constantFrom<Qos>(0, 1, 2),
  dup: fc.boolean(),
  retain: fc.boolean(),
  messageId: fc.integer({ min: 1, max: 0xffff }),
  payloadFormatIndicator: maybe(fc.boolean()),
  messageExpiryInterval: maybe(fc.integer({ min: 0, max: 0xffff_ffff })),
  topicAlias: maybe(fc.integer({ min: 1, max: 0xffff })),
  responseTopic: maybe(anyText),
  correlationData: maybe(fc.uint8Array({ minLength: 1, maxLength: 9 })),
  contentType: maybe(anyText),
  userProperties: maybe(fc.dictionary(anyText, anyText, { minKeys: 1, maxKeys: 3, noNullPrototype: true })),
});
type Publish = typeof anyPublish extends fc.Arbitrary<infer P> ? P : never;
type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

const forwardable = new Set<keyof Properties>([
  "payloadFormat",
  "responseTopic",
  "correlationData",
  "contentType",
  "userProperties",
]);

function generated(publish: Publish): Buffer {
  const { isLevel5, topic, payload, qos, dup, retain, messageId, correlationData, ...others } = publish;
  const given = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined));
  const properties = {
    ...given,
    ...(correlationData !== undefined && { correlationData: Buffer.from(correlationData) }),
  } as Defined<IPublishPacket["properties"]>;
  return generate(
    {
      cmd: "publish",
      topic,
      payload: Buffer.from(payload),
      qos,
      dup: dup && qos > 0,
      retain,
      ...(qos > 0 && { messageId }),
      ...(isLevel5 && properties !== undefined && { properties }),
    },
    { protocolVersion: isLevel5 ? 5 : 4 },
  );
}

/** Of a whole packet that lies in the middle of other bytes. */
function view(packet: Uint8Array, isLevel5: boolean): { readonly view: PublishView; readonly bytes: Uint8Array } {
  const bytes = Uint8Array.from([1, 2, 3, ...packet, 4, 5]);
  const reader = new PacketReader(bytes, 4, bytes.length - 2);
  reader.variableInteger();
  const one = new PublishView();
  one.read(bytes, bytes[3] ?? 0, reader.at, bytes.length - 2, isLevel5);
  return { view: one, bytes };
}

function propertiesOf(encoded: Uint8Array): Properties {
  const writer = new PacketWriter();
  writer.variableInteger(encoded.length);
  writer.raw(encoded);
  return readProperties(new PacketReader(writer.fields(), 0, writer.used), forwardable);
}

test("PUBLISH of mqtt-packet is read as it was meant", () => {
  fc.assert(
    fc.property(anyPublish, (publish) => {
      const { isLevel5, topic, payload, qos, dup, retain, messageId } = publish;
      const { view: one, bytes } = view(generated(publish), isLevel5);
      expect(one).toMatchObject({ qos, dup: dup && qos > 0, retain, packetId: qos > 0 ? messageId : 0 });
      expect(Buffer.from(bytes.subarray(one.topicFrom, one.topicTo)).toString()).toBe(topic);
      expect(bytes.slice(one.payloadFrom, one.payloadTo)).toEqual(payload);
      expect(one.topicAlias).toBe(isLevel5 ? (publish.topicAlias ?? 0) : 0);
      expect(one.expirySeconds).toBe(isLevel5 ? (publish.messageExpiryInterval ?? -1) : -1);
      const { payloadFormatIndicator: isText, responseTopic, correlationData, contentType, userProperties } = publish;
      const forwarded: Properties = {
        ...(isText !== undefined && { payloadFormat: isText ? 1 : 0 }),
        ...(responseTopic !== undefined && { responseTopic }),
        ...(correlationData !== undefined && { correlationData }),
        ...(contentType !== undefined && { contentType }),
        ...(userProperties !== undefined && { userProperties: Object.entries(userProperties) }),
      };
      expect(propertiesOf(one.properties)).toEqual(isLevel5 ? forwarded : {});
    }),
    { numRuns: 500 },
  );
});

test("a view that is used again keeps nothing of the packet before", () => {
  const one = new PublishView();
  const full = generate(
    {
      cmd: "publish",
      topic: "a",
      payload: "x",
      qos: 2,
      dup: true,
      retain: true,
      messageId: 9,
      properties: { topicAlias: 3, messageExpiryInterval: 4, contentType: "t" },
    },
    { protocolVersion: 5 },
  );
  one.read(full, full[0] ?? 0, 2, full.length, true);
  expect(one).toMatchObject({ packetId: 9, topicAlias: 3, expirySeconds: 4 });
  for (const level of [4, 5]) {
    const plain = generate(
      { cmd: "publish", topic: "b", payload: "y", qos: 0, dup: false, retain: false },
      { protocolVersion: level },
    );
    one.read(plain, plain[0] ?? 0, 2, plain.length, level === 5);
    expect(one).toMatchObject({ qos: 0, dup: false, retain: false, packetId: 0, topicAlias: 0, expirySeconds: -1 });
    expect(one.properties).toHaveLength(0);
  }
});

test("alias and expiry are cut out wherever they stand among properties that are forwarded", () => {
  const user = [0x26, 0, 1, 0x6b, 0, 1, 0x76];
  const parts = [user, [0x23, 0, 5], user, [0x02, 0, 0, 1, 0], [0x03, 0, 1, 0x74]];
  fc.assert(
    fc.property(fc.shuffledSubarray(parts, { minLength: 0 }), (chosen) => {
      const properties = chosen.flat();
      const packet = Uint8Array.from([
        0x30,
        4 + properties.length + 1,
        0,
        1,
        0x61,
        properties.length,
        ...properties,
        0x70,
      ]);
      const { view: one } = view(packet, true);
      const kept = chosen.filter(([id]) => id !== 0x23 && id !== 0x02).flat();
      expect([...one.properties]).toEqual(kept);
      expect(one.payloadTo - one.payloadFrom).toBe(1);
    }),
  );
});

test("flags, identifiers, lengths and properties that are wrong are errors [MQTT-3.3.1-2] [MQTT-3.3.1-4] [MQTT-2.2.1-3] [MQTT-3.3.2-14] [MQTT-3.3.4-6]", () => {
  const table: readonly (readonly [number, readonly number[], number])[] = [
    [0x36, [0, 1, 0x61, 0, 1, 0], reason.malformedPacket],
    [0x38, [0, 1, 0x61, 0], reason.malformedPacket],
    [0x32, [0, 1, 0x61, 0, 0, 0], reason.protocolError],
    [0x30, [], reason.malformedPacket],
    [0x30, [0], reason.malformedPacket],
    [0x30, [0, 2, 0x61], reason.malformedPacket],
    [0x30, [0, 1, 0x61], reason.malformedPacket], // no length of properties
    [0x32, [0, 1, 0x61, 0], reason.malformedPacket],
    [0x30, [0, 1, 0x61, 4, 0x01, 0], reason.malformedPacket],
    [0x30, [0, 1, 0x61, 2, 0x01, 2], reason.protocolError],
    [0x30, [0, 1, 0x61, 4, 0x01, 0, 0x01, 0], reason.protocolError],
    [0x30, [0, 1, 0x61, 3, 0x23, 0, 0], reason.topicAliasInvalid],
    [0x30, [0, 1, 0x61, 6, 0x23, 0, 1, 0x23, 0, 1], reason.protocolError],
    [0x30, [0, 1, 0x61, 4, 0x08, 0, 1, 0x23], reason.protocolError],
    [0x30, [0, 1, 0x61, 4, 0x08, 0, 1, 0xff], reason.malformedPacket],
    [0x30, [0, 1, 0x61, 3, 0x26, 0, 0], reason.malformedPacket],
    [0x30, [0, 1, 0x61, 2, 0x0b, 1], reason.protocolError],
    [0x30, [0, 1, 0x61, 3, 0x21, 0, 1], reason.malformedPacket],
    [0x30, [0, 1, 0x61, 1, 0x7f], reason.malformedPacket],
    [0x30, [0, 1, 0x61, 0x80, 0], reason.malformedPacket],
    [0x30, [0, 1, 0x61, 0xff, 0xff, 0xff, 0xff, 1], reason.malformedPacket],
  ];
  for (const [firstByte, body, reasonCode] of table) {
    const bytes = Uint8Array.from([...body, 0, 0, 0, 0]); // what follows is another packet
    const read = () => new PublishView().read(bytes, firstByte, 0, body.length, true);
    expect(read, `${firstByte} ${body.join(" ")}`).toThrow(expect.objectContaining({ reasonCode }));
  }
});

test("any packet that was cut off or changed is read within its bounds, or an error that names a reason", () => {
  fc.assert(
    fc.property(
      anyPublish,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
      fc.nat(),
      (publish, changes, cut) => {
        const bytes = new Uint8Array(generated(publish));
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        const end = 2 + (cut % (bytes.length - 1));
        const one = new PublishView();
        try {
          one.read(bytes, bytes[0] ?? 0, 2, end, publish.isLevel5);
          expect(one.topicTo).toBeLessThanOrEqual(one.payloadFrom);
          expect(one.payloadFrom).toBeLessThanOrEqual(end);
          expect(one.payloadTo).toBe(end);
        } catch (error) {
          expect(error).toBeInstanceOf(MqttProtocolError);
        }
      },
    ),
    { numRuns: 1_000 },
  );
});
