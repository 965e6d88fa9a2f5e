// MQTT 5.0, 3.1.2.5, 3.1.3.2 and 3.14.4: will messages.
import { expect, test } from "vitest";
import { isExternal } from "./broker-under-test.ts";
import { sorted, useBroker, type V5Client } from "./v5-client.ts";
import { bytes, type Will } from "./v5-packets.ts";
import { numberOf, type Properties } from "./v5-properties.ts";
import type { Publish } from "./v5-reading.ts";

const broker = useBroker();

interface Scene {
  readonly watcher: V5Client;
  readonly client: V5Client;
  readonly clientId: string;
  readonly topic: string;
}

/** A client with a will, and somebody who waits for it. */
async function scene(will: Partial<Will> = {}, properties: Properties = []): Promise<Scene> {
  const topic = broker.unique();
  const clientId = broker.unique();
  const watcher = await broker.connect();
  await watcher.subscribe(topic);
  const client = await broker.connect({ clientId, will: { topic, payload: "will", ...will }, properties });
  return { watcher, client, clientId, topic };
}

/** What the watcher has got by now. */
async function seenBy(watcher: V5Client): Promise<readonly Publish[]> {
  return broker.drain(watcher, await broker.connect());
}

test.each([0, 1, 2])(
  "[MQTT-3.1.2-7] [MQTT-3.1.2-8] a will of QoS %i is published once when the connection breaks",
  async (qos) => {
    const { watcher, client, topic } = await scene({ qos });
    await client.end();
    const message = await watcher.receive();
    expect(message).toMatchObject({ topic, payload: "will", qos, retain: false, dup: false });
    await watcher.complete(message);
    expect(await seenBy(watcher)).toEqual([]);
  },
);

test("[MQTT-3.1.2-8] a reset is a break as well", async () => {
  const { watcher, client } = await scene();
  client.abort();
  expect((await watcher.receive()).payload).toBe("will");
});

test("[MQTT-3.14.4-3] [MQTT-3.1.2-10] DISCONNECT with reason 0 deletes the will", async () => {
  for (const reason of [undefined, 0x00]) {
    const { watcher, client } = await scene();
    await client.disconnect(reason);
    await broker.settle();
    expect(await seenBy(watcher)).toEqual([]);
  }
});

test.each([0x04, 0x80, 0x81, 0x82, 0x83, 0x93, 0x95, 0x98])(
  "[MQTT-3.1.2-8] DISCONNECT with reason %i publishes it",
  async (reason) => {
    const { watcher, client } = await scene();
    await client.disconnect(reason);
    expect((await watcher.receive()).payload).toBe("will");
  },
);

test("[MQTT-3.1.2-14] [MQTT-3.1.2-15] a will is kept exactly when it is to be", async () => {
  for (const retain of [false, true]) {
    const { watcher, client, topic } = await scene({ retain, qos: 1 });
    await client.end();
    expect(await watcher.receive()).toMatchObject({ retain: false });
    const later = await broker.connect();
    await later.subscribe(topic);
    const messages = await seenBy(later);
    expect(messages.map(({ payload }) => payload)).toEqual(retain ? ["will"] : []);
  }
});

test("[MQTT-3.1.3-10] the will's properties arrive, user properties in their order", async () => {
  const properties: Properties = [
    ["payloadFormatIndicator", 1],
    ["contentType", "text/plain"],
    ["responseTopic", "reply/here"],
    ["correlationData", bytes(0, 255)],
    ["userProperty", ["b", "1"]],
    ["userProperty", ["a", "2"]],
    ["userProperty", ["b", "3"]],
  ];
  const { watcher, client } = await scene({ properties });
  await client.end();
  const message = await watcher.receive();
  const isOwn = ([name]: Properties[number]): boolean => name === "userProperty";
  expect(message.properties.filter(isOwn)).toEqual(properties.filter(isOwn));
  expect(sorted(message.properties)).toEqual(sorted(properties));
});

test("[MQTT-3.1.3-10] the will's message expiry counts from its publication", async () => {
  const { watcher, client } = await scene({ properties: [["messageExpiryInterval", 50]] });
  await broker.advance(2000);
  await client.end();
  expect(numberOf((await watcher.receive()).properties, "messageExpiryInterval", 0)).toBeOneOf([49, 50]);
});

test("[MQTT-3.1.2-8] a will with a delay comes when that has passed, and not before", async () => {
  const { watcher, client } = await scene({ properties: [["willDelayInterval", 4]] }, [["sessionExpiryInterval", 100]]);
  await client.end();
  await broker.settle();
  await broker.advance(1000);
  expect(await seenBy(watcher)).toEqual([]);
  await broker.advance(6000);
  expect((await watcher.receive()).payload).toBe("will");
});

test("[MQTT-3.1.2-8] or when the session ends, if that is earlier", async () => {
  const { watcher, client } = await scene({ properties: [["willDelayInterval", 100]] }, [["sessionExpiryInterval", 2]]);
  await client.end();
  await broker.settle();
  expect(await seenBy(watcher)).toEqual([]);
  await broker.advance(5000);
  expect((await watcher.receive()).payload).toBe("will");
});

test("[MQTT-3.1.2-8] without a session that is kept the will comes at once, whatever its delay", async () => {
  const { watcher, client } = await scene({ properties: [["willDelayInterval", 100]] });
  await client.end();
  expect((await watcher.receive()).payload).toBe("will");
});

test("[MQTT-3.1.3-9] a client that comes back in time cancels its will", async () => {
  const kept = [["sessionExpiryInterval", 100]] as const;
  const { watcher, client, clientId } = await scene({ properties: [["willDelayInterval", 3]] }, kept);
  await client.end();
  await broker.settle();
  await broker.advance(1000);
  const again = await broker.connect({ clientId, cleanStart: false, properties: kept });
  expect(again.connack.sessionPresent).toBe(true);
  await broker.advance(6000);
  expect(await seenBy(watcher)).toEqual([]);
  await again.end();
  await broker.settle();
  expect(await seenBy(watcher)).toEqual([]); // the new connection has no will
});

test.skipIf(isExternal)("a clean start ends the session, and the will of the old one comes at once", async () => {
  const kept = [["sessionExpiryInterval", 100]] as const;
  const { watcher, client, clientId } = await scene({ properties: [["willDelayInterval", 50]] }, kept);
  await client.end();
  await broker.settle();
  await broker.connect({ clientId, cleanStart: true });
  expect((await watcher.receive()).payload).toBe("will");
});

test("[MQTT-3.1.3-9] taking a session over cancels a will that has a delay", async () => {
  const kept = [["sessionExpiryInterval", 100]] as const;
  const { watcher, client, clientId } = await scene({ properties: [["willDelayInterval", 2]] }, kept);
  await broker.connect({ clientId, cleanStart: false, properties: kept });
  await client.refused(0x8e);
  await broker.advance(5000);
  expect(await seenBy(watcher)).toEqual([]);
});

test("[MQTT-3.1.2-10] a will that was published is gone", async () => {
  const kept = [["sessionExpiryInterval", 100]] as const;
  const { watcher, client, clientId } = await scene({}, kept);
  await client.end();
  expect((await watcher.receive()).payload).toBe("will");
  const again = await broker.connect({ clientId, cleanStart: false, properties: kept });
  await again.end();
  await broker.settle();
  expect(await seenBy(watcher)).toEqual([]);
});

test("DISCONNECT with reason 4 keeps the delay", async () => {
  const kept = [["sessionExpiryInterval", 100]] as const;
  const { watcher, client } = await scene({ properties: [["willDelayInterval", 3]] }, kept);
  await client.disconnect(0x04);
  await broker.settle();
  expect(await seenBy(watcher)).toEqual([]);
  await broker.advance(6000);
  expect((await watcher.receive()).payload).toBe("will");
});
