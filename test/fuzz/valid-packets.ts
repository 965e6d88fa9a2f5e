// Valid packets of a client, as fast-check makes them, and ways to spoil them.
import fc from "fast-check";
import { generate, type Packet } from "mqtt-packet";
import type { Qos } from "#shared/system/bus.ts";

const anyTopic = fc.constantFrom("a", "a/b", "b", "c/d/e", "é", "$SYS/x", "/level/uplink");
const anyFilter = fc.constantFrom("a", "a/+", "#", "+/b", "$share/g/a", "$share/g/#", "$SYS/#", "b/#", "x#");
const anyId = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 0xffff }));
const anyQos = fc.constantFrom<Qos>(0, 1, 2);
const anyPayload = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));

const anyPublish: fc.Arbitrary<Packet> = fc
  .record({
    topic: anyTopic,
    payload: anyPayload,
    qos: anyQos,
    dup: fc.boolean(),
    retain: fc.boolean(),
    id: anyId,
    alias: fc.nat(40),
  })
  .map(({ id, alias, dup, ...publish }) => ({
    cmd: "publish",
    ...publish,
    dup: dup && publish.qos > 0,
    ...(publish.qos > 0 && { messageId: id }),
    ...(alias > 0 && alias < 5 && { properties: { topicAlias: alias } }),
  }));
const anySubscribe: fc.Arbitrary<Packet> = fc
  .tuple(anyId, fc.array(fc.record({ topic: anyFilter, qos: anyQos }), { minLength: 1, maxLength: 3 }))
  .map(([messageId, subscriptions]) => ({ cmd: "subscribe", messageId, subscriptions }));
const anyUnsubscribe: fc.Arbitrary<Packet> = fc
  .tuple(anyId, fc.array(anyFilter, { minLength: 1, maxLength: 3 }))
  .map(([messageId, unsubscriptions]) => ({ cmd: "unsubscribe", messageId, unsubscriptions }));
const anyAnswer: fc.Arbitrary<Packet> = fc
  .tuple(fc.constantFrom("puback" as const, "pubrec" as const, "pubrel" as const, "pubcomp" as const), anyId)
  .map(([cmd, messageId]) => ({ cmd, messageId }));

export const anyPacket: fc.Arbitrary<Packet> = fc.oneof(
  { weight: 4, arbitrary: anyPublish },
  { weight: 2, arbitrary: anySubscribe },
  { weight: 1, arbitrary: anyUnsubscribe },
  { weight: 3, arbitrary: anyAnswer },
  { weight: 1, arbitrary: fc.constant<Packet>({ cmd: "pingreq" }) },
);

export function encode(packet: Packet, protocolVersion: number): Uint8Array {
  if (protocolVersion === 5 || packet.cmd !== "publish") return new Uint8Array(generate(packet, { protocolVersion }));
  const { properties: _, ...older } = packet;
  return new Uint8Array(generate(older, { protocolVersion }));
}

/** What becomes of a stream of packets on its way: bytes changed, cut out, put in or repeated. */
export const anyDamage = fc.array(
  fc.record({
    type: fc.constantFrom("change" as const, "remove" as const, "insert" as const, "repeat" as const),
    at: fc.nat(),
    length: fc.integer({ min: 1, max: 5 }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 5 }),
  }),
  { maxLength: 4 },
);
export type Damage = typeof anyDamage extends fc.Arbitrary<infer D> ? D : never;

export function damaged(stream: Uint8Array, damage: Damage): Uint8Array {
  let bytes: number[] = [...stream];
  for (const { type, at, length, bytes: others } of damage) {
    const from = bytes.length === 0 ? 0 : at % bytes.length;
    if (type === "change") bytes.splice(from, others.length, ...others);
    else if (type === "remove") bytes.splice(from, length);
    else if (type === "insert") bytes.splice(from, 0, ...others);
    else bytes = [...bytes, ...bytes.slice(from)];
  }
  return Uint8Array.from(bytes);
}
