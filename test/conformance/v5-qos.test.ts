// MQTT 5.0, 4.3 and 4.4: delivery with QoS 0, 1 and 2, and what is sent again.
import { expect, test } from "vitest";
import { isExternal, refused } from "./broker-under-test.ts";
import { useBroker, type V5Client } from "./v5-client.ts";
import { ackPacket, publishPacket, type Qos } from "./v5-packets.ts";

const broker = useBroker();
const kept = [["sessionExpiryInterval", 100]] as const;

interface Pair {
  readonly publisher: V5Client;
  readonly subscriber: V5Client;
  readonly clientId: string;
  readonly topic: string;
}

/** A publisher, and a subscriber with a session that is kept. */
async function pair(qos: Qos = 2): Promise<Pair> {
  const topic = broker.unique();
  const clientId = broker.unique();
  const subscriber = await broker.connect({ clientId, properties: kept });
  await subscriber.subscribe({ filter: topic, qos });
  return { publisher: await broker.connect(), subscriber, clientId, topic };
}

/** The subscriber's next connection. */
async function again({ clientId, subscriber }: Pair): Promise<V5Client> {
  await subscriber.end();
  await broker.settle();
  const next = await broker.connect({ clientId, cleanStart: false, properties: kept });
  expect(next.connack.sessionPresent).toBe(true);
  return next;
}

test("[MQTT-2.2.1-2] [MQTT-4.3.1-1] [MQTT-3.3.1-2] QoS 0 comes without identifier, without DUP, and is not acknowledged", async () => {
  const { publisher, subscriber, topic } = await pair(0);
  await publisher.publish({ topic, qos: 2, payload: "x" });
  const message = await subscriber.receive();
  expect(message).toMatchObject({ qos: 0, dup: false, payload: "x" });
  expect(message.size).toBe(2 + 2 + topic.length + 1 + 1); // no room for an identifier
  await publisher.publish({ topic, payload: "y" });
  expect((await subscriber.receive()).payload).toBe("y");
  await publisher.ping();
  expect(publisher.unread).toEqual([]);
});

test("[MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.3-1] every new message gets an identifier that is free", async () => {
  const { publisher, subscriber, topic } = await pair();
  for (let number = 0; number < 8; number++) await publisher.publish({ topic, qos: 1 + (number % 2) });
  const messages = [];
  for (let number = 0; number < 8; number++) messages.push(await subscriber.receive());
  expect(new Set(messages.map(({ id }) => id)).size).toBe(8);
  for (const message of messages.slice(4)) await subscriber.complete(message);
  for (let number = 0; number < 4; number++) await publisher.publish({ topic, qos: 1 });
  for (let number = 0; number < 4; number++) await subscriber.receive(); // would fail with one in use
  expect(subscriber.inFlight.size).toBe(8);
});

test("[MQTT-2.2.1-5] [MQTT-4.3.2-4] [MQTT-3.3.4-1] [MQTT-3.4.2-1] PUBACK has the identifier of its PUBLISH", async () => {
  const client = await broker.connect();
  for (const id of [1, 300, 65_535]) {
    await client.send(publishPacket({ topic: broker.unique(), qos: 1, id }));
    expect(await client.expect("puback")).toMatchObject({ id, reason: expect.toBeOneOf([0x00, 0x10]) });
  }
});

test("[MQTT-2.2.1-5] [MQTT-4.3.3-8] [MQTT-4.3.3-11] [MQTT-3.3.4-1] [MQTT-3.5.2-1] [MQTT-3.7.2-1] PUBREC and PUBCOMP as well", async () => {
  const client = await broker.connect();
  for (const id of [1, 300, 65_535]) {
    await client.send(publishPacket({ topic: broker.unique(), qos: 2, id }));
    expect(await client.expect("pubrec")).toMatchObject({ id, reason: expect.toBeOneOf([0x00, 0x10]) });
  }
  for (const id of [1, 300, 65_535]) {
    await client.send(ackPacket("pubrel", id));
    expect(await client.expect("pubcomp")).toMatchObject({ id, reason: 0x00 });
  }
});

test("[MQTT-4.3.2-5] after PUBACK the same identifier is a new message, also with DUP", async () => {
  const { publisher, subscriber, topic } = await pair();
  await publisher.publish({ topic, qos: 1, id: 7, payload: "one" });
  await publisher.publish({ topic, qos: 1, id: 7, payload: "two", dup: true });
  const messages = await broker.drain(subscriber, publisher);
  expect(messages.map(({ payload }) => payload)).toEqual(["one", "two"]);
});

test("[MQTT-4.3.3-10] before PUBREL the same identifier is the same message", async () => {
  const { publisher, subscriber, topic } = await pair();
  await publisher.send(publishPacket({ topic, qos: 2, id: 9, payload: "once" }));
  expect((await publisher.expect("pubrec")).id).toBe(9);
  await publisher.send(publishPacket({ topic, qos: 2, id: 9, payload: "once", dup: true }));
  expect(await publisher.expect("pubrec")).toMatchObject({ id: 9, reason: expect.toBeOneOf([0x00, 0x10]) });
  await publisher.send(ackPacket("pubrel", 9));
  expect((await publisher.expect("pubcomp")).id).toBe(9);
  const messages = await broker.drain(subscriber, publisher);
  expect(messages.map(({ payload }) => payload)).toEqual(["once"]);
});

test("[MQTT-4.3.3-10] the same holds across a connection, for the session remembers", async () => {
  const topic = broker.unique();
  const subscriber = await broker.connect();
  await subscriber.subscribe(topic);
  const clientId = broker.unique();
  const first = await broker.connect({ clientId, properties: kept });
  await first.send(publishPacket({ topic, qos: 2, id: 9, payload: "once" }));
  await first.expect("pubrec");
  await first.end();
  await broker.settle();
  const second = await broker.connect({ clientId, cleanStart: false, properties: kept });
  await second.send(publishPacket({ topic, qos: 2, id: 9, payload: "once", dup: true }));
  await second.expect("pubrec");
  await second.send(ackPacket("pubrel", 9));
  expect((await second.expect("pubcomp")).reason).toBe(0x00);
  const messages = await broker.drain(subscriber, second);
  expect(messages.map(({ payload }) => payload)).toEqual(["once"]);
});

test("[MQTT-4.3.3-12] after PUBCOMP the same identifier is a new message", async () => {
  const { publisher, subscriber, topic } = await pair();
  await publisher.publish({ topic, qos: 2, id: 7, payload: "one" });
  await publisher.publish({ topic, qos: 2, id: 7, payload: "two", dup: true });
  const messages = await broker.drain(subscriber, publisher);
  expect(messages.map(({ payload }) => payload)).toEqual(["one", "two"]);
});

test.skipIf(isExternal)(
  "[MQTT-4.3.3-9] after a PUBREC that refuses, the same identifier is a new message",
  async () => {
    const { publisher, subscriber, topic } = await pair();
    await publisher.send(publishPacket({ topic: `${refused}/${topic}`, qos: 2, id: 7 }));
    expect(await publisher.expect("pubrec")).toMatchObject({ id: 7, reason: 0x87 });
    await publisher.publish({ topic, qos: 2, id: 7, payload: "new" });
    const messages = await broker.drain(subscriber, publisher);
    expect(messages.map(({ payload }) => payload)).toEqual(["new"]);
  },
);

test.each([1, 2])(
  "[MQTT-4.3.2-2] [MQTT-4.3.3-2] [MQTT-3.3.1-3] QoS %i goes out without DUP, however it came in",
  async (qos) => {
    const { publisher, subscriber, topic } = await pair();
    await publisher.publish({ topic, qos, id: 5, dup: true });
    expect(await subscriber.receive()).toMatchObject({ qos, dup: false });
  },
);

test.each([1, 2])(
  "[MQTT-4.3.2-3] [MQTT-4.3.3-3] [MQTT-4.4.0-1] [MQTT-3.3.1-1] QoS %i without acknowledgement is sent again, with DUP, to the session's next connection, and then only",
  async (qos) => {
    const both = await pair();
    const { publisher, subscriber, topic } = both;
    for (const payload of ["one", "two"]) await publisher.publish({ topic, qos, payload });
    const sent = [await subscriber.receive(), await subscriber.receive()];
    await broker.advance(2000);
    await subscriber.ping();
    expect(subscriber.unread).toEqual([]);
    const next = await again(both);
    for (const { id, payload } of sent)
      expect(await next.receive()).toMatchObject({ id, payload, qos, dup: true, topic });
    await next.ping();
    expect(next.unread).toEqual([]);
  },
);

test("[MQTT-4.3.3-4] PUBREC is answered by PUBREL with the same identifier", async () => {
  const { publisher, subscriber, topic } = await pair();
  await publisher.publish({ topic, qos: 2 });
  const { id } = await subscriber.receive();
  await subscriber.ack("pubrec", id);
  expect(await subscriber.expect("pubrel")).toMatchObject({ id, reason: 0x00 });
  await subscriber.ack("pubcomp", id);
});

test("[MQTT-4.3.3-5] [MQTT-4.3.3-6] [MQTT-4.4.0-1] after PUBREC it is PUBREL that is sent again, not PUBLISH", async () => {
  const both = await pair();
  const { publisher, subscriber, topic } = both;
  await publisher.publish({ topic, qos: 2 });
  const { id } = await subscriber.receive();
  await subscriber.ack("pubrec", id);
  await subscriber.expect("pubrel");
  const next = await again(both);
  expect(await next.expect("pubrel")).toMatchObject({ id, reason: 0x00 });
  await next.ack("pubcomp", id);
  await next.ping();
  expect(next.unread).toEqual([]);
});

test("[MQTT-4.4.0-1] what is acknowledged is not sent again", async () => {
  const both = await pair();
  const { publisher, subscriber, topic } = both;
  for (const qos of [1, 2]) {
    await publisher.publish({ topic, qos });
    await subscriber.complete(await subscriber.receive());
  }
  await subscriber.ping();
  const next = await again(both);
  expect(await broker.drain(next, publisher)).toEqual([]);
});

test("[MQTT-4.4.0-2] PUBACK and PUBREC with a failure end the delivery", async () => {
  const both = await pair();
  const { publisher, subscriber, topic } = both;
  await publisher.publish({ topic, qos: 1 });
  await subscriber.ack("puback", (await subscriber.receive()).id, 0x80);
  await publisher.publish({ topic, qos: 2 });
  await subscriber.ack("pubrec", (await subscriber.receive()).id, 0x97);
  await subscriber.ping();
  expect(subscriber.unread).toEqual([]); // no PUBREL
  const next = await again(both);
  expect(await broker.drain(next, publisher)).toEqual([]);
});

test("[MQTT-4.3.3-7] a message that was sent is sent again, though it has expired", async () => {
  const both = await pair();
  const { publisher, subscriber, topic } = both;
  await publisher.publish({ topic, qos: 2, properties: [["messageExpiryInterval", 1]] });
  const { id } = await subscriber.receive();
  await subscriber.end();
  await broker.advance(3000);
  const next = await again(both);
  expect(await next.receive()).toMatchObject({ id, qos: 2, dup: true });
});

test("[MQTT-4.3.3-13] the handshake goes on, though the message has expired", async () => {
  const { publisher, topic } = await pair();
  await publisher.send(publishPacket({ topic, qos: 2, id: 3, properties: [["messageExpiryInterval", 1]] }));
  await publisher.expect("pubrec");
  await broker.advance(3000);
  await publisher.send(publishPacket({ topic, qos: 2, id: 3, dup: true, properties: [["messageExpiryInterval", 1]] }));
  expect((await publisher.expect("pubrec")).id).toBe(3);
  await publisher.send(ackPacket("pubrel", 3));
  expect(await publisher.expect("pubcomp")).toMatchObject({ id: 3, reason: 0x00 });
});

test("[MQTT-4.5.0-1] a message is in the sessions of all who subscribed, connected or not", async () => {
  const topic = broker.unique();
  const ids = [broker.unique(), broker.unique()];
  const publisher = await broker.connect();
  for (const clientId of ids) {
    const client = await broker.connect({ clientId, properties: kept });
    await client.subscribe(topic);
    await client.end();
  }
  const online = await broker.connect();
  await online.subscribe(topic);
  await broker.settle();
  await publisher.publish({ topic, qos: 1, payload: "all" });
  expect((await online.receive()).payload).toBe("all");
  for (const clientId of ids) {
    const client = await broker.connect({ clientId, cleanStart: false });
    const messages = await broker.drain(client, publisher);
    expect(messages.map(({ payload, dup }) => [payload, dup])).toEqual([["all", false]]);
  }
});

test.each([0, 1, 2])("[MQTT-4.6.0-5] [MQTT-4.6.0-6] messages of a client keep their order, QoS %i", async (qos) => {
  const { publisher, subscriber, topic } = await pair();
  const payloads = Array.from({ length: 15 }, (_, number) => String(number));
  for (const payload of payloads) await publisher.publish({ topic, qos, payload });
  const messages = await broker.drain(subscriber, publisher);
  expect(messages.map((message) => message.payload)).toEqual(payloads);
});

test("[MQTT-4.6.0-5] and so do those that waited for the client, and those that are sent again", async () => {
  const both = await pair();
  const { publisher, subscriber, topic } = both;
  for (const payload of ["1", "2", "3"]) await publisher.publish({ topic, qos: 1, payload });
  for (let number = 0; number < 3; number++) await subscriber.receive();
  await subscriber.end();
  await broker.settle();
  for (const payload of ["4", "5", "6"]) await publisher.publish({ topic, qos: 1, payload });
  const messages = await broker.drain(await again(both), publisher);
  expect(messages.map((message) => message.payload)).toEqual(["1", "2", "3", "4", "5", "6"]);
});
