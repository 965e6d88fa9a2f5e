// MQTT 5.0, 4.8.2: shared subscriptions.
import { expect, test } from "vitest";
import { isExternal } from "./broker-under-test.ts";
import { sorted, useBroker, type V5Client } from "./v5-client.ts";
import { subscribePacket, type Qos } from "./v5-packets.ts";

const broker = useBroker();
const kept = [["sessionExpiryInterval", 100]] as const;

interface Group {
  readonly filter: string;
  readonly topic: string;
  readonly publisher: V5Client;
  readonly members: readonly V5Client[];
}

async function group(size: number, qos: Qos = 2): Promise<Group> {
  const topic = broker.unique();
  const filter = `$share/${broker.unique()}/${topic}`;
  const members: V5Client[] = [];
  for (let number = 0; number < size; number++) {
    const member = await broker.connect();
    expect(await member.subscribe({ filter, qos })).toEqual([qos]);
    members.push(member);
  }
  return { filter, topic, publisher: await broker.connect(), members };
}

/** What each member has got, by payload. */
async function payloadsOf(members: readonly V5Client[], by: V5Client): Promise<readonly (readonly string[])[]> {
  const payloads: (readonly string[])[] = [];
  for (const member of members) payloads.push((await broker.drain(member, by)).map(({ payload }) => payload));
  return payloads;
}

const numbers = Array.from({ length: 30 }, (_, number) => String(number));

test.each([
  "$share/",
  "$share/group",
  "$share//topic",
  "$share/group/",
  "$share/gr+up/topic",
  "$share/gr#up/topic",
  "$share/+/topic",
  "$share/#",
])("[MQTT-4.8.2-1] [MQTT-4.8.2-2] the filter %s is refused", async (filter) => {
  const client = await broker.connect();
  await client.send(subscribePacket(1, [{ filter }]));
  const answer = await client.next().catch(() => undefined);
  if (answer?.type === "suback") expect(answer.reasons).toEqual([0x8f]);
  else expect(answer ?? { type: "disconnect" }).toMatchObject({ type: "disconnect" });
});

test.each([0, 1, 2])(
  "[MQTT-4.8.2-1] each message of QoS %i goes to exactly one member, and all get some",
  async (qos) => {
    const { topic, publisher, members } = await group(3);
    for (const payload of numbers) await publisher.publish({ topic, qos, payload });
    const payloads = await payloadsOf(members, publisher);
    expect(payloads.flat().toSorted()).toEqual(numbers.toSorted());
    for (const some of payloads) expect(some.length).toBeGreaterThan(0);
  },
);

test("[MQTT-4.8.2-2] the filter behind the share name may have wildcards", async () => {
  const { topic, publisher } = await group(0);
  const member = await broker.connect();
  await member.subscribe({ filter: `$share/wild/${topic}/+/#`, qos: 1 });
  await publisher.publish({ topic: `${topic}/a/b/c`, qos: 1 });
  await publisher.publish({ topic, qos: 1 });
  const messages = await broker.drain(member, publisher);
  expect(messages.map((message) => message.topic)).toEqual([`${topic}/a/b/c`]);
});

test("groups of different names, and plain subscriptions, get a copy each", async () => {
  const { topic, publisher, members } = await group(1);
  const other = await broker.connect();
  await other.subscribe({ filter: `$share/${broker.unique()}/${topic}`, qos: 1 });
  const plain = await broker.connect();
  await plain.subscribe({ filter: topic, qos: 1 });
  await publisher.publish({ topic, qos: 1, payload: "x" });
  expect(await payloadsOf([...members, other, plain], publisher)).toEqual([["x"], ["x"], ["x"]]);
});

test("a client with a shared and a plain subscription gets both", async () => {
  const { filter, topic, publisher } = await group(0);
  const client = await broker.connect();
  await client.subscribe([{ filter: topic, qos: 1 }], [["subscriptionIdentifier", 1]]);
  await client.subscribe([{ filter, qos: 1 }], [["subscriptionIdentifier", 2]]);
  await publisher.publish({ topic, qos: 1 });
  const messages = await broker.drain(client, publisher);
  const identifiers = messages.flatMap(({ properties }) => properties.map(([, value]) => value));
  expect(sorted(identifiers)).toEqual([1, 2]);
});

test("[MQTT-4.8.2-3] each member's messages have the QoS that it was granted", async () => {
  const { filter, topic, publisher } = await group(0);
  const members: V5Client[] = [];
  for (const qos of [0, 1, 2] as const) {
    const member = await broker.connect();
    await member.subscribe({ filter, qos });
    members.push(member);
  }
  for (const payload of numbers) await publisher.publish({ topic, qos: 2, payload });
  const all: string[] = [];
  for (const [qos, member] of members.entries()) {
    const messages = await broker.drain(member, publisher);
    all.push(...messages.map(({ payload }) => payload));
    expect(new Set(messages.map((message) => message.qos))).toEqual(new Set([qos]));
  }
  expect(all.toSorted()).toEqual(numbers.toSorted());
});

test("a member that leaves gets nothing any more", async () => {
  const { filter, topic, publisher, members } = await group(2);
  const [leaves, stays] = members as [V5Client, V5Client];
  expect(await leaves.unsubscribe(topic)).toEqual([0x11]); // that is another filter
  expect(await leaves.unsubscribe(filter)).toEqual([0x00]);
  for (const payload of numbers) await publisher.publish({ topic, qos: 1, payload });
  expect(await payloadsOf([leaves, stays], publisher)).toEqual([[], numbers]);
});

test("a member whose session has ended is passed over", async () => {
  const { topic, publisher, members } = await group(2);
  const [ends, stays] = members as [V5Client, V5Client];
  await ends.end();
  await broker.settle();
  for (const payload of numbers) await publisher.publish({ topic, qos: 1, payload });
  expect(await payloadsOf([stays], publisher)).toEqual([numbers]);
});

test("shared subscriptions send no kept messages when they begin", async () => {
  const { filter, topic, publisher } = await group(0);
  await publisher.publish({ topic, qos: 1, retain: true, payload: "kept" });
  const member = await broker.connect();
  await member.subscribe({ filter, qos: 1 });
  expect(await broker.drain(member, publisher)).toEqual([]);
});

test.skipIf(isExternal)(
  "what a member had not acknowledged with QoS 1 when its session ended, another member gets",
  async () => {
    const { topic, publisher, members } = await group(2, 1);
    const [ends, stays] = members as [V5Client, V5Client];
    for (const payload of numbers) await publisher.publish({ topic, qos: 1, payload });
    await ends.receive();
    await ends.end();
    await broker.settle();
    const payloads = (await broker.drain(stays, publisher)).map(({ payload }) => payload);
    expect([...new Set(payloads)].toSorted()).toEqual(numbers.toSorted());
  },
);

test("[MQTT-4.8.2-4] a QoS 2 message that a member had begun is completed with that member", async () => {
  const { filter, topic, publisher } = await group(0);
  const clientId = broker.unique();
  const member = await broker.connect({ clientId, properties: kept });
  await member.subscribe({ filter, qos: 2 });
  await publisher.publish({ topic, qos: 2, payload: "begun" });
  const { id } = await member.receive();
  const other = await broker.connect();
  await other.subscribe({ filter, qos: 2 });
  await member.end();
  await broker.settle();
  expect(await broker.drain(other, publisher)).toEqual([]);
  const again = await broker.connect({ clientId, cleanStart: false, properties: kept });
  const message = await again.receive();
  expect(message).toMatchObject({ id, payload: "begun", qos: 2, dup: true });
  await again.complete(message);
});

test("[MQTT-4.8.2-5] a QoS 2 message that a member had begun goes to no other when that member's session ends", async () => {
  const { filter, topic, publisher } = await group(0);
  const member = await broker.connect();
  await member.subscribe({ filter, qos: 2 });
  await publisher.publish({ topic, qos: 2, payload: "begun" });
  await member.receive();
  const other = await broker.connect();
  await other.subscribe({ filter, qos: 2 });
  await member.end();
  await broker.settle();
  expect(await broker.drain(other, publisher)).toEqual([]);
});

test("[MQTT-4.8.2-6] a message that a member refuses goes to no other", async () => {
  const { topic, publisher, members } = await group(2);
  for (const qos of [1, 2]) {
    await publisher.publish({ topic, qos, payload: "refused" });
    await publisher.publish({ topic, qos, payload: "refused" });
    const refusals: string[] = [];
    for (const member of members) {
      await member.ping();
      for (let left = member.unread.length; left > 0; left--) {
        const { id, payload } = await member.receive();
        refusals.push(payload);
        await member.ack(qos === 1 ? "puback" : "pubrec", id, 0x80);
      }
      await member.ping();
    }
    expect(refusals).toEqual(["refused", "refused"]);
    expect(await payloadsOf(members, publisher)).toEqual([[], []]);
  }
});
