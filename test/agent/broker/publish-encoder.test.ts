import { Duplex } from "node:stream";
import fc from "fast-check";
import { generate, parser, type IPublishPacket, type Packet } from "mqtt-packet";
import { expect, test } from "vitest";
import { Outlet, OutletPool } from "#agent/broker/outlet.ts";
import { Publication } from "#agent/broker/publication.ts";
import { PublishEncoder, type OwnProperties } from "#agent/broker/publish-encoder.ts";
import { encodeProperties } from "#shared/mqtt/properties.ts";
import type { Qos } from "#shared/system/bus.ts";

const nowMs = 1_000_000;
const anyText = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).filter((text) => !/[\0+#]/.test(text));
const anyPublication = fc
  .record({
    topic: anyText,
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.constantFrom(48, 49, 60_000, 70_000).map((n) => new Uint8Array(n).fill(n & 0xff)),
    ),
    contentType: fc.option(anyText, { nil: undefined }),
    expirySeconds: fc.option(fc.integer({ min: 0, max: 1_000_000 }), { nil: undefined }),
  })
  .map(({ topic, payload, contentType, expirySeconds }) => {
    const source = Buffer.concat([Buffer.of(1, 2, 3), payload, Buffer.of(4, 5)]);
    const properties = encodeProperties(contentType === undefined ? {} : { contentType });
    const expiresAtMs = expirySeconds === undefined ? 0 : nowMs + expirySeconds * 1_000;
    const publication = new Publication(
      topic,
      Buffer.from(topic),
      source,
      3,
      3 + payload.length,
      2,
      false,
      properties,
      expiresAtMs,
    );
    return { publication, contentType, expirySeconds };
  });
const anyCopy = fc.record({
  isLevel5: fc.boolean(),
  qos: fc.constantFrom<Qos>(0, 1, 2),
  packetId: fc.integer({ min: 1, max: 0xffff }),
  dup: fc.boolean(),
  retain: fc.boolean(),
  own: fc.option(
    fc.record({
      subscriptionIds: fc.array(fc.integer({ min: 1, max: 268_435_455 }), { maxLength: 3 }),
      topicAlias: fc.nat(0xffff),
      omits: fc.boolean(),
    }),
    { nil: undefined },
  ),
});

/** Takes what is written at once. */
class Sink extends Duplex {
  readonly chunks: Buffer[] = [];
  override _read(): void {}
  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.chunks.push(Buffer.from(chunk));
    done();
  }
}

function parsed(bytes: Buffer, protocolVersion: number): Packet {
  const found: Packet[] = [];
  const one = parser({ protocolVersion });
  one.on("packet", (packet) => void found.push(packet));
  one.parse(bytes);
  expect(found).toHaveLength(1);
  return found[0] ?? { cmd: "pingreq" };
}

test("every copy of a message is read by mqtt-packet as it was meant, and has the size that was told", async () => {
  await fc.assert(
    fc.asyncProperty(anyPublication, fc.array(anyCopy, { minLength: 1, maxLength: 6 }), async (message, copies) => {
      const { publication, contentType, expirySeconds } = message;
      const encoder = new PublishEncoder();
      encoder.begin(publication, nowMs);
      for (const { isLevel5, qos, packetId, dup, retain, own } of copies) {
        const sink = new Sink();
        const outlet = new Outlet(new OutletPool(), sink, () => {});
        const ownProperties: OwnProperties | undefined =
          own === undefined || !isLevel5 ? undefined : { ...own, omitTopic: own.omits && own.topicAlias > 0 };
        encoder.put(outlet, isLevel5, qos, packetId, dup && qos > 0, retain, ownProperties);
        outlet.end();
        const bytes = Buffer.concat(sink.chunks);
        expect(bytes.length).toBe(encoder.sizeFor(isLevel5, qos, ownProperties));
        const packet = parsed(bytes, isLevel5 ? 5 : 4) as IPublishPacket;
        expect(packet).toMatchObject({ cmd: "publish", qos, dup: dup && qos > 0, retain });
        expect(packet.topic).toBe(ownProperties?.omitTopic === true ? "" : publication.topic);
        expect(Buffer.compare(Buffer.from(packet.payload), publication.payload)).toBe(0);
        expect(packet.messageId).toBe(qos > 0 ? packetId : undefined);
        const { properties = {} } = packet;
        expect(properties.contentType).toBe(isLevel5 ? contentType : undefined);
        expect(properties.messageExpiryInterval).toBe(isLevel5 ? expirySeconds : undefined);
        expect(properties.topicAlias ?? 0).toBe(ownProperties?.topicAlias ?? 0);
        const ids = properties.subscriptionIdentifier ?? [];
        expect(Array.isArray(ids) ? ids : [ids]).toEqual(ownProperties?.subscriptionIds ?? []);
      }
    }),
    { numRuns: 200 },
  );
});

test("without properties it is the packet that mqtt-packet writes, to the byte", () => {
  fc.assert(
    fc.property(
      anyText,
      fc.uint8Array({ maxLength: 100 }),
      fc.constantFrom<Qos>(0, 1, 2),
      fc.boolean(),
      (topic, payload, qos, isLevel5) => {
        const encoder = new PublishEncoder();
        encoder.begin(new Publication(topic, Buffer.from(topic), payload, 0, payload.length, qos, false), nowMs);
        const sink = new Sink();
        const outlet = new Outlet(new OutletPool(), sink, () => {});
        encoder.put(outlet, isLevel5, qos, 77, false, true);
        outlet.end();
        const theirs = generate(
          {
            cmd: "publish",
            topic,
            payload: Buffer.from(payload),
            qos,
            dup: false,
            retain: true,
            ...(qos > 0 && { messageId: 77 }),
          },
          { protocolVersion: isLevel5 ? 5 : 4 },
        );
        expect(Buffer.concat(sink.chunks).equals(theirs)).toBe(true);
      },
    ),
  );
});

test("what is left of a life is rounded up and never below 0", () => {
  for (const [leftMs, seconds] of [
    [1, 1],
    [1_000, 1],
    [1_001, 2],
    [-5_000, 0],
  ] as const) {
    const encoder = new PublishEncoder();
    const payload = new Uint8Array(0);
    encoder.begin(new Publication("a", Buffer.from("a"), payload, 0, 0, 0, false, payload, nowMs + leftMs), nowMs);
    const sink = new Sink();
    const outlet = new Outlet(new OutletPool(), sink, () => {});
    encoder.put(outlet, true, 0, 0, false, false);
    outlet.end();
    expect(parsed(Buffer.concat(sink.chunks), 5)).toMatchObject({ properties: { messageExpiryInterval: seconds } });
  }
});
