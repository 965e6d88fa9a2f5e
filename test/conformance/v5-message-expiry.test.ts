// MQTT 5.0, 3.3.2.3.3: messages that grow old while they wait.
import { expect, test } from "vitest";
import { useBroker, type V5Client } from "./v5-client.ts";
import { numberOf, valueOf } from "./v5-properties.ts";
import type { Publish } from "./v5-reading.ts";

const broker = useBroker();
const kept = [["sessionExpiryInterval", 1000]] as const;

interface Scene {
  readonly clientId: string;
  readonly topic: string;
  readonly publisher: V5Client;
}

/** A subscriber that is away, with a session that is kept. */
async function scene(): Promise<Scene> {
  const clientId = broker.unique();
  const topic = broker.unique();
  const client = await broker.connect({ clientId, properties: kept });
  await client.subscribe(topic);
  await client.end();
  await broker.settle();
  return { clientId, topic, publisher: await broker.connect() };
}

async function publishFor(seconds: number | undefined, { topic, publisher }: Scene, payload: string): Promise<void> {
  const properties = seconds === undefined ? [] : ([["messageExpiryInterval", seconds]] as const);
  await publisher.publish({ topic, qos: 1, payload, properties });
}

async function waitingFor({ clientId, publisher }: Scene): Promise<readonly Publish[]> {
  const client = await broker.connect({ clientId, cleanStart: false, properties: kept });
  return broker.drain(client, publisher);
}

function leftOf(message: Publish | undefined): number {
  return numberOf(message?.properties ?? [], "messageExpiryInterval", -1);
}

test("[MQTT-3.3.2-6] without waiting the interval arrives as it was", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  await client.subscribe(topic);
  for (const seconds of [60, 0xffffffff]) {
    await client.publish({ topic, qos: 1, properties: [["messageExpiryInterval", seconds]] });
    const message = await client.find("publish");
    expect(leftOf(message)).toBeOneOf([seconds, seconds - 1]);
  }
});

test("[MQTT-3.3.2-6] the time of waiting is taken off", async () => {
  const here = await scene();
  await publishFor(60, here, "x");
  await broker.advance(3000);
  const [message] = await waitingFor(here);
  expect(leftOf(message)).toBeOneOf([56, 57, 58]);
});

test("[MQTT-3.3.2-5] what has expired is not sent, and what has not is", async () => {
  const here = await scene();
  await publishFor(1, here, "short");
  await publishFor(100, here, "long");
  await publishFor(undefined, here, "for ever");
  await publishFor(2, here, "short as well");
  await broker.advance(4000);
  const messages = await waitingFor(here);
  expect(messages.map(({ payload }) => payload)).toEqual(["long", "for ever"]);
});

test("[MQTT-3.3.2-6] a message without an interval arrives without one, however long it waited", async () => {
  const here = await scene();
  await publishFor(undefined, here, "x");
  await broker.advance(2000);
  const [message] = await waitingFor(here);
  expect(valueOf(message?.properties ?? [["topicAlias", 1]], "messageExpiryInterval")).toBeUndefined();
  expect(message?.payload).toBe("x");
});

test("[MQTT-3.3.2-5] a message that waits for the receiver's quota expires as well", async () => {
  const topic = broker.unique();
  const client = await broker.connect({ properties: [["receiveMaximum", 1]] });
  await client.subscribe(topic);
  const publisher = await broker.connect();
  await publisher.publish({ topic, qos: 1, payload: "first" });
  await publisher.publish({ topic, qos: 1, payload: "late", properties: [["messageExpiryInterval", 1]] });
  await publisher.publish({ topic, qos: 1, payload: "last" });
  const first = await client.receive();
  expect(first.payload).toBe("first");
  await broker.advance(3000);
  await client.complete(first);
  expect((await client.receive()).payload).toBe("last");
});

test("[MQTT-3.3.2-5] it expires for those who are away, not for those who got it", async () => {
  const here = await scene();
  const present = await broker.connect();
  await present.subscribe(here.topic);
  await publishFor(1, here, "x");
  expect((await present.receive()).payload).toBe("x");
  await broker.advance(3000);
  expect(await waitingFor(here)).toEqual([]);
});
