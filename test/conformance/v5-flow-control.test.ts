// MQTT 5.0, 3.3.4 and 4.9: Receive Maximum of both sides.
import { expect, test } from "vitest";
import { useBroker, type V5Client } from "./v5-client.ts";
import { ackPacket, publishPacket, subscribePacket } from "./v5-packets.ts";
import { numberOf } from "./v5-properties.ts";

const broker = useBroker();

/** A subscriber that takes `receiveMaximum` at a time, and a publisher. */
async function pair(receiveMaximum: number): Promise<{ subscriber: V5Client; publisher: V5Client; topic: string }> {
  const topic = broker.unique();
  const subscriber = await broker.connect({ properties: [["receiveMaximum", receiveMaximum]] });
  await subscriber.subscribe(topic);
  return { subscriber, publisher: await broker.connect(), topic };
}

test("[MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2] no more than Receive Maximum is on its way without acknowledgement", async () => {
  const { subscriber, publisher, topic } = await pair(3);
  for (let number = 0; number < 6; number++)
    await publisher.publish({ topic, qos: 1 + (number % 2), payload: String(number) });
  const messages = [await subscriber.receive(), await subscriber.receive(), await subscriber.receive()];
  await subscriber.ping();
  expect(subscriber.unread).toEqual([]);
  for (const message of messages) await subscriber.complete(message);
  const payloads = [];
  for (let number = 3; number < 6; number++) payloads.push((await subscriber.receive()).payload);
  expect(payloads).toEqual(["3", "4", "5"]);
});

test("[MQTT-4.9.0-1] a Receive Maximum of 1 is enough for everything, one by one", async () => {
  const { subscriber, publisher, topic } = await pair(1);
  for (let number = 0; number < 4; number++) await publisher.publish({ topic, qos: 2, payload: String(number) });
  for (let number = 0; number < 4; number++) {
    const message = await subscriber.receive();
    expect(message.payload).toBe(String(number));
    await subscriber.ping();
    expect(subscriber.unread).toEqual([]);
    await subscriber.complete(message);
  }
});

test("[MQTT-3.3.4-9] a PUBREC does not give the place free, PUBCOMP does", async () => {
  const { subscriber, publisher, topic } = await pair(1);
  for (const payload of ["one", "two"]) await publisher.publish({ topic, qos: 2, payload });
  const { id } = await subscriber.receive();
  await subscriber.ack("pubrec", id);
  await subscriber.expect("pubrel");
  await subscriber.ping();
  expect(subscriber.unread).toEqual([]);
  await subscriber.ack("pubcomp", id);
  expect((await subscriber.receive()).payload).toBe("two");
});

test("[MQTT-3.3.4-9] a PUBREC or PUBACK that refuses gives the place free", async () => {
  const { subscriber, publisher, topic } = await pair(1);
  for (const qos of [2, 1, 1]) await publisher.publish({ topic, qos, payload: String(qos) });
  await subscriber.ack("pubrec", (await subscriber.receive()).id, 0x80);
  await subscriber.ack("puback", (await subscriber.receive()).id, 0x97);
  expect((await subscriber.receive()).qos).toBe(1);
});

test("[MQTT-3.3.4-9] what was sent before counts on the session's next connection as well", async () => {
  const clientId = broker.unique();
  const topic = broker.unique();
  const properties = [
    ["sessionExpiryInterval", 100],
    ["receiveMaximum", 2],
  ] as const;
  const first = await broker.connect({ clientId, properties });
  await first.subscribe(topic);
  const publisher = await broker.connect();
  for (let number = 0; number < 4; number++) await publisher.publish({ topic, qos: 1, payload: String(number) });
  await first.receive();
  await first.receive();
  await first.end();
  await broker.settle();
  const second = await broker.connect({ clientId, cleanStart: false, properties });
  const messages = [await second.receive(), await second.receive()];
  expect(messages.map(({ payload, dup }) => [payload, dup])).toEqual([
    ["0", true],
    ["1", true],
  ]);
  await second.ping();
  expect(second.unread).toEqual([]);
  for (const message of messages) await second.complete(message);
  expect((await second.receive()).payload).toBe("2");
});

test("[MQTT-3.3.4-10] [MQTT-4.9.0-3] everything but PUBLISH goes on while the quota is zero", async () => {
  const { subscriber, publisher, topic } = await pair(1);
  for (const payload of ["one", "two"]) await publisher.publish({ topic, qos: 1, payload });
  const { id } = await subscriber.receive();
  await subscriber.ping();
  expect(await subscriber.subscribe(broker.unique())).toEqual([2]);
  expect(await subscriber.unsubscribe("nothing")).toEqual([0x11]);
  await subscriber.publish({ topic: broker.unique(), qos: 1 });
  await subscriber.publish({ topic: broker.unique(), qos: 2 });
  expect(subscriber.unread).toEqual([]);
  await subscriber.ack("puback", id);
  expect((await subscriber.receive()).payload).toBe("two");
});

test("[MQTT-3.3.4-7] more than the server's Receive Maximum without PUBREL ends the connection", async () => {
  const client = await broker.connect();
  const maximum = numberOf(client.connack.properties, "receiveMaximum", 65_535);
  const topic = broker.unique();
  const packets = Array.from({ length: maximum + 1 }, (_, at) => publishPacket({ topic, qos: 2, id: at + 1 }));
  await client.send(...packets);
  const packetsBack = await client.untilClosed();
  expect(packetsBack.filter(({ type }) => type === "pubrec").length).toBeLessThanOrEqual(maximum);
  expect(packetsBack.filter(({ type }) => type !== "pubrec")).toMatchObject([{ type: "disconnect", reason: 0x93 }]);
});

test("[MQTT-3.3.4-7] exactly the server's Receive Maximum is taken, and after PUBCOMP again", async () => {
  const client = await broker.connect();
  const maximum = numberOf(client.connack.properties, "receiveMaximum", 65_535);
  const topic = broker.unique();
  for (let turn = 0; turn < 2; turn++) {
    const ids = Array.from({ length: maximum }, (_, at) => at + 1);
    await client.send(...ids.map((id) => publishPacket({ topic, qos: 2, id })));
    for (const id of ids) expect((await client.expect("pubrec")).id).toBe(id);
    await client.send(...ids.map((id) => ackPacket("pubrel", id)));
    for (const id of ids) expect((await client.expect("pubcomp")).id).toBe(id);
  }
});

test("[MQTT-4.9.0-3] the server answers other packets while a client has used its quota up", async () => {
  const client = await broker.connect();
  const maximum = numberOf(client.connack.properties, "receiveMaximum", 65_535);
  const topic = broker.unique();
  await client.send(
    ...Array.from({ length: maximum }, (_, at) => publishPacket({ topic, qos: 2, id: at + 1 })),
    publishPacket({ topic, payload: "QoS 0 is not counted" }),
    subscribePacket(maximum + 1, [{ filter: topic }]),
  );
  expect((await client.find("suback")).reasons).toEqual([0]);
  await client.ping();
});
