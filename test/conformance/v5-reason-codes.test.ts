// MQTT 5.0, 3.4 to 3.11: reason codes and problem information of acknowledgements, and 3.1.2.11.7.
import { expect, test } from "vitest";
import { isExternal, refused } from "./broker-under-test.ts";
import { useBroker, type V5Client } from "./v5-client.ts";
import { ackPacket, connectPacket, publishPacket, subscribePacket, unsubscribePacket } from "./v5-packets.ts";
import type { Properties } from "./v5-properties.ts";
import type { ServerPacket } from "./v5-reading.ts";

const broker = useBroker();

/** Asks for every kind of acknowledgement, for success and for failure. The reader holds the codes against their tables. */
async function provoke(client: V5Client): Promise<readonly ServerPacket[]> {
  const topic = broker.unique();
  await client.send(
    publishPacket({ topic, qos: 1, id: 1 }),
    publishPacket({ topic, qos: 2, id: 2 }),
    ackPacket("pubrel", 2),
    ackPacket("pubrel", 3),
    unsubscribePacket(4, [topic]),
    subscribePacket(6, [{ filter: topic, qos: 1 }]),
    unsubscribePacket(7, [topic]),
    ...(isExternal
      ? []
      : [
          publishPacket({ topic: `${refused}/x`, qos: 1, id: 8 }),
          publishPacket({ topic: `${refused}/x`, qos: 2, id: 9 }),
          subscribePacket(10, [{ filter: `${refused}/x` }]),
        ]),
  );
  await client.ping();
  await client.send(connectPacket({ clientId: "again" }));
  return client.untilClosed();
}

test("[MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.7.2-1] [MQTT-3.9.3-2] [MQTT-3.11.3-2] every acknowledgement has a reason code of its table", async () => {
  const answers = await provoke(await broker.connect());
  const types = new Set(answers.map(({ type }) => type));
  for (const type of ["puback", "pubrec", "pubcomp", "suback", "unsuback"] as const) expect(types).toContain(type);
});

test.skipIf(isExternal)(
  "[MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.9.3-2] what is not allowed is answered by 0x87",
  async () => {
    const client = await broker.connect();
    await client.send(
      publishPacket({ topic: `${refused}/x`, qos: 1, id: 1 }),
      publishPacket({ topic: `${refused}/x`, qos: 2, id: 2 }),
      subscribePacket(3, [{ filter: `${refused}/x` }, { filter: broker.unique(), qos: 2 }]),
    );
    expect((await client.find("puback")).reason).toBe(0x87);
    expect((await client.find("pubrec")).reason).toBe(0x87);
    expect((await client.find("suback")).reasons).toEqual([0x87, 0x02]);
  },
);

test("[MQTT-3.7.2-1] [MQTT-4.3.3-11] PUBREL for a message that the server does not know is answered", async () => {
  const client = await broker.connect();
  await client.send(ackPacket("pubrel", 4711));
  expect(await client.expect("pubcomp")).toMatchObject({ id: 4711, reason: expect.toBeOneOf([0x00, 0x92]) });
});

test("[MQTT-3.6.2-1] PUBREC for a message that the server did not send is answered by 0x92", async () => {
  const client = await broker.connect();
  await client.send(ackPacket("pubrec", 4711));
  expect(await client.expect("pubrel")).toMatchObject({ id: 4711, reason: expect.toBeOneOf([0x00, 0x92]) });
});

test("acknowledgements for messages that the server did not send do no harm", async () => {
  const client = await broker.connect();
  await client.send(ackPacket("puback", 4711), ackPacket("pubcomp", 4712));
  await client.ping();
  expect(client.unread).toEqual([]);
});

test("[MQTT-3.1.2-29] who does not want problem information gets it in CONNACK, PUBLISH and DISCONNECT at most", async () => {
  const properties: Properties = [["requestProblemInformation", 0]];
  const answers = await provoke(await broker.connect({ properties })); // the client checks each
  expect(answers.length).toBeGreaterThan(5);
});

test("[MQTT-3.1.2-29] user properties of messages are no problem information", async () => {
  const topic = broker.unique();
  const userProperties: Properties = [["userProperty", ["a", "b"]]];
  const client = await broker.connect({ properties: [["requestProblemInformation", 0]] });
  await client.subscribe(topic);
  await client.publish({ topic, qos: 1, properties: userProperties });
  expect((await client.find("publish")).properties).toEqual(userProperties);
});
