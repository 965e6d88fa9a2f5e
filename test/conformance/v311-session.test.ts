// MQTT 3.1.1, chapters 3.1.2.4, 3.2.2.2, 4.1 and 4.5: sessions, which of them outlive their connection, and what they keep.
import { expect, test } from "vitest";
import { conformanceBroker } from "./broker-under-test.ts";
import { publish, receive, receiveAll, receiveTexts, subscribe, unsubscribe } from "./flows.ts";

const kept = { clean: false } as const;

test("[MQTT-3.2.2-1] [MQTT-3.2.2-2] [MQTT-3.2.2-3] [MQTT-3.1.4-3] session present is 1 exactly when a kept session is resumed", async () => {
  await using broker = await conformanceBroker();
  const steps: readonly (readonly [clean: boolean, present: boolean])[] = [
    [true, false], // nothing there
    [false, false], // the clean session before has left nothing
    [false, true],
    [false, true],
    [true, false], // a clean session removes the kept one
    [false, false],
  ];
  for (const [clean, present] of steps) {
    const client = await broker.open();
    const connack = await client.connect({ clientId: "c", clean });
    expect([...client.bytesOf(connack)]).toEqual([0x20, 2, present ? 1 : 0, 0]);
    await client.disconnect();
  }
});

test("[MQTT-3.1.2-4] [MQTT-4.1.0-1] subscriptions of a kept session outlive its connection, however that ends", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const first = await broker.connect("c", kept);
  await subscribe(first, { "a/+": 1, b: 2 });
  await first.disconnect();
  const second = await broker.connect("c", kept);
  await publish(other, "a/x", { payload: "1", qos: 2 });
  expect(await receive(second)).toMatchObject({ text: "1", qos: 1 });
  await second.end();
  const third = await broker.connect("c", kept);
  await publish(other, "b", { payload: "2", qos: 2 });
  expect(await receive(third)).toMatchObject({ text: "2", qos: 2 });
  await third.silent();
});

test("[MQTT-3.1.2-5] [MQTT-4.5.0-1] a kept session collects QoS 1 and 2 while it is away, and gets them in order with DUP 0", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const first = await broker.connect("c", kept);
  await subscribe(first, { "a/#": 2 });
  await first.disconnect();
  const texts = Array.from({ length: 40 }, (_, at) => String(at));
  for (const [at, payload] of texts.entries())
    await publish(other, `a/${at % 3}`, { payload, qos: at % 2 === 0 ? 1 : 2 });
  const second = await broker.connect("c", kept);
  const messages = await receiveAll(second, texts.length);
  expect(messages.map(({ text }) => text)).toEqual(texts);
  expect(messages.map(({ qos }) => qos)).toEqual(texts.map((_, at) => (at % 2 === 0 ? 1 : 2)));
  expect(messages.some(({ dup, retain }) => dup || retain)).toBe(false);
  await second.silent();
});

test("[MQTT-3.1.2-5] what is collected is limited by the granted QoS, and ends with the subscription", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const first = await broker.connect("c", kept);
  await subscribe(first, { a: 1, gone: 1, "a/#": 0 });
  await unsubscribe(first, "gone");
  await first.disconnect();
  await publish(other, "gone", { payload: "not for me", qos: 1 });
  await publish(other, "a", { payload: "mine", qos: 2 });
  const second = await broker.connect("c", kept);
  expect(await receive(second)).toMatchObject({ text: "mine", qos: 1 });
  await second.silent();
});

test("[MQTT-3.1.2-6] a clean session discards the kept one: subscriptions and what was collected", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const first = await broker.connect("c", kept);
  await subscribe(first, { a: 1 });
  await first.disconnect();
  await publish(other, "a", { payload: "collected", qos: 1 });
  const clean = await broker.connect("c");
  await publish(other, "a", { payload: "now", qos: 1 });
  await clean.silent();
  await clean.disconnect();
  const again = await broker.connect("c", kept);
  await publish(other, "a", { payload: "later", qos: 1 });
  await again.silent();
});

test("[MQTT-3.1.2-6] a clean session ends with its connection", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const first = await broker.connect("c");
  await subscribe(first, { a: 1 });
  await first.disconnect();
  await publish(other, "a", { payload: "missed", qos: 1 });
  const second = await broker.connect("c", kept);
  await publish(other, "a", { payload: "no more", qos: 1 });
  await second.silent();
});

test("[MQTT-3.1.2-7] retained messages stay when the session of their publisher ends", async () => {
  await using broker = await conformanceBroker();
  const first = await broker.connect("c");
  await publish(first, "a", { payload: "kept", qos: 1, retain: true });
  await first.disconnect();
  const second = await broker.connect("c");
  await subscribe(second, { a: 1 });
  expect(await receive(second)).toMatchObject({ text: "kept", retain: true });
});

test("[MQTT-3.1.3-2] a session belongs to its client identifier alone", async () => {
  await using broker = await conformanceBroker();
  const first = await broker.connect("c", kept);
  await subscribe(first, { a: 1 });
  await first.disconnect();
  const stranger = await broker.open();
  expect(await stranger.connect({ clientId: "C", clean: false })).toMatchObject({ sessionPresent: false });
  await publish(stranger, "a", { payload: "for c", qos: 1 });
  await stranger.silent();
  const second = await broker.connect("c", kept);
  expect(await receive(second)).toMatchObject({ text: "for c" });
});

test("[MQTT-4.1.0-2] a session lasts as long as its connection", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  await subscribe(client, { a: 1 });
  await broker.advance(3_000);
  await publish(client, "a", { qos: 0 });
  expect(await receive(client)).toMatchObject({ topic: "a" });
});

test("[MQTT-3.1.4-2] [MQTT-3.1.2-4] a connection that takes over a kept session gets its subscriptions and what was not acknowledged", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const older = await broker.connect("c", kept);
  await subscribe(older, { a: 1 });
  await publish(other, "a", { payload: "open", qos: 1 });
  const { messageId } = await older.answer("publish");
  const newer = await broker.open();
  expect(await newer.connect({ clientId: "c", clean: false })).toMatchObject({ sessionPresent: true });
  await older.expectClosed();
  expect(await receive(newer)).toMatchObject({ text: "open", dup: true, messageId });
  await publish(other, "a", { payload: "next", qos: 1 });
  expect(await receive(newer)).toMatchObject({ text: "next", dup: false });
  await newer.silent();
});

test("[MQTT-3.1.4-2] [MQTT-3.1.2-6] a clean connection that takes over discards the session of the older one", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const older = await broker.connect("c", kept);
  await subscribe(older, { a: 1 });
  const newer = await broker.open();
  expect(await newer.connect({ clientId: "c", clean: true })).toMatchObject({ sessionPresent: false });
  await older.expectClosed();
  await publish(other, "a", { qos: 1 });
  await newer.silent();
});

test("a take-over, many times, leaves one connection and loses nothing", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  let client = await broker.connect("c", kept);
  await subscribe(client, { a: 1 });
  for (let at = 0; at < 10; at++) {
    await publish(other, "a", { payload: String(at), qos: 1 });
    const next = await broker.connect("c", kept);
    await client.untilClosed();
    client = next;
  }
  expect(await receiveTexts(client, 10)).toEqual(Array.from({ length: 10 }, (_, at) => String(at)));
  await client.silent();
});

test("messages for a kept session and for a connected client are independent", async () => {
  await using broker = await conformanceBroker();
  const away = await broker.connect("away", kept);
  const here = await broker.connect("here", kept);
  for (const client of [away, here]) await subscribe(client, { a: 1 });
  await away.disconnect();
  await publish(here, "a", { payload: "both", qos: 1 });
  expect(await receive(here)).toMatchObject({ text: "both" });
  await here.silent();
  const back = await broker.connect("away", kept);
  expect(await receive(back)).toMatchObject({ text: "both" });
  await back.silent();
});
