// MQTT 3.1.1, chapters 4.3, 4.4 and 4.6: what is sent again after a connection broke, and in which order messages come.
import { expect, test } from "vitest";
import type { Packet, RawClient } from "../fakes/raw-client.ts";
import { conformanceBroker } from "./broker-under-test.ts";
import {
  acknowledge,
  publish,
  receive,
  receiveAll,
  receiveOnly,
  receiveTexts,
  release,
  sendPublish,
  subscribe,
  type Received,
} from "./flows.ts";

const kept = { clean: false } as const;

async function receiveUnacknowledged(client: RawClient, count: number): Promise<readonly Received[]> {
  const messages: Received[] = [];
  for (let at = 0; at < count; at++) messages.push(await receiveOnly(client));
  return messages;
}

test("[MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-2.3.1-4] QoS 1 without PUBACK comes again: same identifier, DUP 1", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const first = await broker.connect("c", kept);
  await subscribe(first, { a: 1 });
  await publish(other, "a", { payload: "again", qos: 1 });
  const { messageId, dup } = await receiveOnly(first);
  expect(dup).toBe(false);
  await first.end();
  for (let time = 0; time < 2; time++) {
    const next = await broker.connect("c", kept);
    expect(await receiveOnly(next)).toMatchObject({ text: "again", qos: 1, dup: true, messageId });
    await next.silent();
    await next.end();
  }
  const last = await broker.connect("c", kept);
  expect(await receive(last)).toMatchObject({ text: "again", dup: true, messageId });
  await last.disconnect();
  const done = await broker.connect("c", kept);
  await done.silent();
});

test("[MQTT-4.4.0-1] [MQTT-3.3.1-1] QoS 2 without PUBREC comes again: same identifier, DUP 1", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const first = await broker.connect("c", kept);
  await subscribe(first, { a: 2 });
  await publish(other, "a", { payload: "again", qos: 2 });
  const { messageId } = await receiveOnly(first);
  await first.end();
  const second = await broker.connect("c", kept);
  expect(await receive(second)).toMatchObject({ text: "again", qos: 2, dup: true, messageId });
  await second.disconnect();
  const done = await broker.connect("c", kept);
  await done.silent();
});

test("[MQTT-4.4.0-1] [MQTT-4.3.3-1] QoS 2 after PUBREC: PUBREL comes again with the same identifier, never PUBLISH", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const first = await broker.connect("c", kept);
  await subscribe(first, { a: 2 });
  await publish(other, "a", { payload: "once", qos: 2 });
  const { messageId = 0 } = await receiveOnly(first);
  await first.sendPacket({ cmd: "pubrec", messageId });
  await first.expect("pubrel");
  await first.end();
  const second = await broker.connect("c", kept);
  const pubrel = await second.next();
  expect([...second.bytesOf(pubrel)]).toEqual([0x62, 2, messageId >> 8, messageId & 255]);
  await second.silent();
  await second.sendPacket({ cmd: "pubcomp", messageId });
  await second.disconnect();
  const done = await broker.connect("c", kept);
  await done.silent();
});

test("[MQTT-4.4.0-1] QoS 2: a PUBREC for a message that came again is answered with PUBREL", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const first = await broker.connect("c", kept);
  await subscribe(first, { a: 2 });
  await publish(other, "a", { qos: 2 });
  const { messageId = 0 } = await receiveOnly(first);
  await first.sendPacket({ cmd: "pubrec", messageId });
  await first.end();
  const second = await broker.connect("c", kept);
  await second.sendPacket({ cmd: "pubrec", messageId }); // of a client that never saw PUBREL
  expect(await second.answer("pubrel", messageId)).toMatchObject({ messageId });
  await second.sendPacket({ cmd: "pubcomp", messageId });
  await second.ping();
  await second.disconnect();
  const done = await broker.connect("c", kept);
  await done.silent();
});

test("[MQTT-4.3.3-2] QoS 2 inbound is exactly once across connections: PUBLISH again after PUBREC was lost", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { a: 2 });
  const first = await broker.connect("c", kept);
  await sendPublish(first, "a", { payload: "once", qos: 2, messageId: 7 });
  await first.expect("pubrec");
  await first.end();
  const second = await broker.connect("c", kept);
  await sendPublish(second, "a", { payload: "once", qos: 2, messageId: 7, dup: true });
  expect(await second.next()).toMatchObject({ cmd: "pubrec", messageId: 7 });
  await release(second, 7);
  expect(await receiveTexts(watcher, 1)).toEqual(["once"]);
  await watcher.silent();
});

test("[MQTT-4.3.3-2] QoS 2 inbound is exactly once across connections: PUBREL on the next one, and once more", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { a: 2 });
  const first = await broker.connect("c", kept);
  await sendPublish(first, "a", { payload: "once", qos: 2, messageId: 7 });
  await first.expect("pubrec");
  await first.end();
  const second = await broker.connect("c", kept);
  await release(second, 7);
  await second.end();
  const third = await broker.connect("c", kept);
  await release(third, 7);
  expect(await receiveTexts(watcher, 1)).toEqual(["once"]);
  await watcher.silent();
});

test("[MQTT-4.6.0-1] [MQTT-4.4.0-1] what comes again comes in its first order, before anything newer", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const first = await broker.connect("c", kept);
  await subscribe(first, { "a/#": 2 });
  for (let at = 0; at < 8; at++)
    await publish(other, `a/${at % 2}`, { payload: String(at), qos: at % 3 === 0 ? 2 : 1 });
  const before = await receiveUnacknowledged(first, 8);
  const open = before.filter((_, at) => at !== 2 && at !== 5);
  for (const message of before) if (!open.includes(message)) await acknowledge(first, message);
  await first.ping();
  await first.end();
  await publish(other, "a/0", { payload: "newer", qos: 1 });
  const second = await broker.connect("c", kept);
  const after = await receiveAll(second, open.length + 1);
  expect(after.slice(0, -1)).toEqual(open.map((message) => ({ ...message, dup: true })));
  expect(after.at(-1)).toMatchObject({ text: "newer", dup: false });
  await second.silent();
});

test("[MQTT-4.6.0-1] PUBREL and PUBLISH that come again keep the order in which their messages were sent", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const first = await broker.connect("c", kept);
  await subscribe(first, { a: 2 });
  for (const payload of ["0", "1", "2", "3"]) await publish(other, "a", { payload, qos: 2 });
  const messages = await receiveUnacknowledged(first, 4);
  for (const { messageId = 0 } of messages.slice(0, 2)) {
    await first.sendPacket({ cmd: "pubrec", messageId });
    await first.answer("pubrel", messageId);
  }
  await first.end();
  const second = await broker.connect("c", kept);
  const again: Packet[] = [];
  for (let at = 0; at < 4; at++) again.push(await second.next());
  const idsOf = (cmd: string) => again.flatMap((packet) => (packet.cmd === cmd ? [packet.messageId] : []));
  expect(idsOf("pubrel")).toEqual(messages.slice(0, 2).map(({ messageId }) => messageId));
  expect(idsOf("publish")).toEqual(messages.slice(2).map(({ messageId }) => messageId));
});

test("[MQTT-4.3.2-1] [MQTT-2.3.1-4] a new message never gets the identifier of one that is not acknowledged", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const first = await broker.connect("c", kept);
  await subscribe(first, { a: 2 });
  for (const qos of [1, 2, 1] as const) await publish(other, "a", { qos });
  const open = await receiveUnacknowledged(first, 3);
  await first.end();
  const second = await broker.connect("c", kept);
  const again = await receiveUnacknowledged(second, 3);
  for (const qos of [1, 2, 1] as const) await publish(other, "a", { qos });
  const fresh = await receiveUnacknowledged(second, 3);
  expect(again.map(({ messageId }) => messageId)).toEqual(open.map(({ messageId }) => messageId));
  expect(new Set([...open, ...fresh].map(({ messageId }) => messageId)).size).toBe(6);
});

test("[MQTT-3.1.2-6] nothing comes again in a clean session", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const first = await broker.connect("c", kept);
  await subscribe(first, { a: 2 });
  for (const qos of [1, 2] as const) await publish(other, "a", { qos });
  await receiveUnacknowledged(first, 2);
  await first.end();
  const clean = await broker.connect("c");
  await clean.silent();
  await clean.disconnect();
  const again = await broker.connect("c", kept);
  await again.silent();
});

test("QoS 0 does not come again", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const first = await broker.connect("c", kept);
  await subscribe(first, { a: 0 });
  await publish(other, "a", { qos: 2 });
  expect(await receiveOnly(first)).toMatchObject({ qos: 0 });
  await first.end();
  const second = await broker.connect("c", kept);
  await second.silent();
});

test("on one connection nothing is sent twice, however long the acknowledgement takes", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const client = await broker.connect("c", kept);
  await subscribe(client, { a: 2 });
  for (const qos of [1, 2] as const) await publish(other, "a", { qos });
  const messages = await receiveUnacknowledged(client, 2);
  await broker.advance(3_000);
  await client.silent();
  for (const message of messages) await acknowledge(client, message);
  await client.silent();
});

test.each([0, 1, 2] as const)(
  "[MQTT-4.6.0-5] [MQTT-4.6.0-6] messages of one client on one topic come in their order, at QoS %s",
  async (qos) => {
    await using broker = await conformanceBroker();
    const publishers = [await broker.connect("p0"), await broker.connect("p1")];
    const exact = await broker.connect("exact");
    const wild = await broker.connect("wild");
    await subscribe(exact, { "a/b": 2 });
    await subscribe(wild, { "a/#": qos });
    const count = qos === 2 ? 15 : 60; // a broker may bound what waits for PUBREL
    for (let at = 0; at < count; at++) {
      for (const [name, publisher] of publishers.entries()) {
        await sendPublish(publisher, "a/b", { payload: `${name}:${at}`, qos, messageId: at + 1 });
      }
    }
    if (qos === 2) {
      for (let id = 1; id <= count; id++) for (const publisher of publishers) await release(publisher, id);
    }
    for (const client of [exact, wild]) {
      const texts = await receiveTexts(client, 2 * count);
      for (const name of publishers.keys()) {
        const numbers = texts.filter((text) => text.startsWith(`${name}:`)).map((text) => Number(text.slice(2)));
        expect(numbers).toEqual(Array.from({ length: count }, (_, at) => at));
      }
    }
  },
);

test("[MQTT-4.6.0-6] PUBREL goes out in the order in which PUBREC came in", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const client = await broker.connect("c");
  await subscribe(client, { a: 2 });
  for (let at = 0; at < 5; at++) await publish(other, "a", { qos: 2 });
  const ids = (await receiveUnacknowledged(client, 5)).map(({ messageId = 0 }) => messageId);
  const order = [ids[3], ids[0], ids[4], ids[2], ids[1]].map((id) => id ?? 0);
  for (const messageId of order) await client.sendPacket({ cmd: "pubrec", messageId });
  const released = [];
  for (const _ of order) released.push((await client.expect("pubrel")).messageId);
  expect(released).toEqual(order);
});
