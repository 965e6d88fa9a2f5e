// MQTT 5.0, 3.1.2.11.4 and 3.2.2.3.6: Maximum Packet Size of both sides.
import { expect, test } from "vitest";
import { isExternal } from "./broker-under-test.ts";
import { useBroker } from "./v5-client.ts";
import {
  ackPacket,
  connectPacket,
  publishPacket,
  subscribePacket,
  unsubscribePacket,
  type ConnectOptions,
} from "./v5-packets.ts";
import { numberOf } from "./v5-properties.ts";

const broker = useBroker();

test("[MQTT-3.1.2-24] [MQTT-3.1.2-25] what is too large for a client is dropped, as if it had been delivered", async () => {
  const topic = broker.unique();
  const client = await broker.connect({
    properties: [
      ["maximumPacketSize", 100],
      ["receiveMaximum", 1],
    ],
  });
  await client.subscribe(topic);
  const publisher = await broker.connect();
  for (const qos of [0, 1, 2]) {
    await publisher.publish({ topic, qos, payload: "large".repeat(30) });
    await publisher.publish({ topic, qos, payload: "small" });
    const message = await client.receive();
    expect(message).toMatchObject({ payload: "small", qos });
    await client.complete(message);
  }
  await client.ping();
  expect(client.unread).toEqual([]);
});

test("[MQTT-3.1.2-24] properties count as well, and exactly the maximum is sent", async () => {
  const topic = broker.unique();
  const client = await broker.connect({ properties: [["maximumPacketSize", 120]] });
  await client.subscribe({ filter: topic, qos: 0 });
  const publisher = await broker.connect();
  const userProperties = [["userProperty", ["name", "v".repeat(40)]]] as const;
  for (const size of [119, 120, 121, 122]) {
    const empty = publishPacket({ topic, properties: userProperties }).length;
    await publisher.publish({ topic, payload: "x".repeat(size - empty), properties: userProperties });
  }
  await publisher.publish({ topic, payload: "last" });
  const sizes = [];
  for (let message = await client.receive(); message.payload !== "last"; message = await client.receive())
    sizes.push(message.size);
  expect(sizes).toEqual([119, 120]);
});

test("[MQTT-3.1.2-25] what is too large for a client that is away does not come later either", async () => {
  const topic = broker.unique();
  const clientId = broker.unique();
  const properties = [
    ["sessionExpiryInterval", 100],
    ["maximumPacketSize", 100],
  ] as const;
  const first = await broker.connect({ clientId, properties });
  await first.subscribe(topic);
  await first.end();
  await broker.settle();
  const publisher = await broker.connect();
  await publisher.publish({ topic, qos: 1, payload: "large".repeat(30) });
  await publisher.publish({ topic, qos: 1, payload: "small" });
  const second = await broker.connect({ clientId, cleanStart: false, properties });
  const messages = await broker.drain(second, publisher);
  expect(messages.map(({ payload }) => payload)).toEqual(["small"]);
});

test("[MQTT-3.1.2-25] and others get it", async () => {
  const topic = broker.unique();
  const small = await broker.connect({ properties: [["maximumPacketSize", 100]] });
  const large = await broker.connect();
  for (const client of [small, large]) await client.subscribe({ filter: topic, qos: 1 });
  const publisher = await broker.connect();
  await publisher.publish({ topic, qos: 1, payload: "large".repeat(30) });
  expect((await broker.drain(large, publisher)).length).toBe(1);
  expect(await broker.drain(small, publisher)).toEqual([]);
});

test("[MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3] [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT-3.11.2-1] [MQTT-3.11.2-2] [MQTT-3.14.2-3] [MQTT-3.14.2-4] reason strings and user properties are left out where they would not fit", async () => {
  const options: ConnectOptions = { clientId: broker.unique(), keepAlive: 60 };
  const plain = await broker.connect(options);
  const maximum = plain.connack.size + 5; // CONNACK fits, with the client's own property beside it
  await plain.disconnect();
  const client = await broker.connect({ ...options, properties: [["maximumPacketSize", maximum]] });
  const topic = broker.unique();
  await client.send(
    publishPacket({ topic, qos: 1, id: 1 }),
    publishPacket({ topic, qos: 2, id: 2 }),
    ackPacket("pubrel", 2),
    ackPacket("pubrel", 3),
    ackPacket("pubrec", 4),
    unsubscribePacket(5, [topic]),
    subscribePacket(6, [{ filter: topic }]),
  );
  await client.ping();
  await client.send(connectPacket({ clientId: "again" }));
  const answers = await client.untilClosed(); // the client checks their sizes
  const expected = ["puback", "pubrec", "pubcomp", "pubcomp", "pubrel", "unsuback", "suback"];
  expect(answers.map(({ type }) => type).filter((type) => type !== "disconnect")).toEqual(expected);
  expect(Math.max(...answers.map(({ size }) => size))).toBeLessThanOrEqual(maximum);
});

test.skipIf(isExternal)("[MQTT-3.2.2-15] a packet that is too large for the server ends the connection", async () => {
  const client = await broker.connect();
  const maximum = numberOf(client.connack.properties, "maximumPacketSize", 0);
  expect(maximum).toBeGreaterThan(1000);
  const topic = broker.unique();
  const empty = publishPacket({ topic, qos: 1, id: 1, payload: "x".repeat(maximum - 100) }).length - (maximum - 100);
  const fits = publishPacket({ topic, qos: 1, id: 1, payload: "x".repeat(maximum - empty) });
  expect(fits.length).toBe(maximum);
  await client.send(fits);
  expect((await client.expect("puback")).id).toBe(1);
  const tooLarge = publishPacket({ topic, qos: 1, id: 2, payload: "x".repeat(maximum - empty + 1) });
  await client.send(tooLarge.subarray(0, 100)); // its length says enough, and nothing is left unread
  await client.refused(0x95);
});
