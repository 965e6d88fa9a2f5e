// MQTT 3.1.1, chapters 3.3 to 3.7, 4.3 and 2.3.1: PUBLISH, its acknowledgements, and packet identifiers on one connection.
// Redelivery on the next connection is in v311-redelivery.
import { expect, test } from "vitest";
import { rawPacket } from "../fakes/raw-client.ts";
import { conformanceBroker, isExternal, refused } from "./broker-under-test.ts";
import {
  acknowledge,
  pendingMessages,
  publish,
  receive,
  receiveAll,
  receiveOnly,
  receiveTexts,
  release,
  sendPublish,
  subscribe,
} from "./flows.ts";

test("[MQTT-3.3.4-1] QoS 0 gets no answer, QoS 1 gets PUBACK, QoS 2 gets PUBREC", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  await sendPublish(client, "a", { qos: 0 });
  await client.silent();
  await sendPublish(client, "a", { qos: 1, messageId: 11 });
  expect(await client.next()).toMatchObject({ cmd: "puback", messageId: 11 });
  await sendPublish(client, "a", { qos: 2, messageId: 12 });
  expect(await client.next()).toMatchObject({ cmd: "pubrec", messageId: 12 });
  await client.silent();
});

test("[MQTT-4.3.2-2] [MQTT-2.3.1-6] PUBACK has the identifier of its PUBLISH, also the lowest and highest one", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  for (const messageId of [1, 255, 256, 65_535]) {
    await sendPublish(client, "a", { qos: 1, messageId });
    const puback = await client.expect("puback");
    expect([...client.bytesOf(puback)]).toEqual([0x40, 2, messageId >> 8, messageId & 255]);
  }
});

test("[MQTT-4.3.2-2] [MQTT-2.3.1-3] after PUBACK the same identifier is a new message, whatever its DUP flag", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { a: 1 });
  const client = await broker.connect("c");
  await publish(client, "a", { payload: "1", qos: 1, messageId: 7 });
  await publish(client, "a", { payload: "2", qos: 1, messageId: 7 });
  await publish(client, "a", { payload: "3", qos: 1, messageId: 7, dup: true });
  expect(await receiveTexts(watcher, 3)).toEqual(["1", "2", "3"]);
});

test("[MQTT-4.3.3-2] [MQTT-2.3.1-6] QoS 2 inbound: PUBREC, PUBREL, PUBCOMP, one message", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { a: 2 });
  const client = await broker.connect("c");
  await sendPublish(client, "a", { payload: "once", qos: 2, messageId: 513 });
  expect([...client.bytesOf(await client.next())]).toEqual([0x50, 2, 2, 1]);
  await client.send(Uint8Array.from([0x62, 2, 2, 1]));
  expect([...client.bytesOf(await client.next())]).toEqual([0x70, 2, 2, 1]);
  expect(await receive(watcher)).toMatchObject({ text: "once", qos: 2, dup: false });
  expect(await pendingMessages(watcher)).toEqual([]);
  await client.silent();
});

test("[MQTT-4.3.3-2] until PUBREL a repeated PUBLISH gets PUBREC again and reaches nobody twice", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { a: 2 });
  const client = await broker.connect("c");
  for (const dup of [false, true, true]) {
    await sendPublish(client, "a", { payload: "once", qos: 2, messageId: 7, dup });
    expect(await client.next()).toMatchObject({ cmd: "pubrec", messageId: 7 });
  }
  await release(client, 7);
  expect(await receiveTexts(watcher, 1)).toEqual(["once"]);
  expect(await pendingMessages(watcher)).toEqual([]);
});

test("[MQTT-4.3.3-2] [MQTT-2.3.1-3] after PUBCOMP the same identifier is a new message", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { a: 2 });
  const client = await broker.connect("c");
  await publish(client, "a", { payload: "1", qos: 2, messageId: 7 });
  await publish(client, "a", { payload: "2", qos: 2, messageId: 7 });
  await publish(client, "a", { payload: "3", qos: 2, messageId: 7, dup: true });
  expect(await receiveTexts(watcher, 3)).toEqual(["1", "2", "3"]);
});

test("[MQTT-4.3.3-2] PUBREL is answered with PUBCOMP, also when repeated or never heard of", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  await publish(client, "a", { qos: 2, messageId: 7 });
  await release(client, 7);
  await release(client, 4_711);
  await client.silent();
});

test("[MQTT-4.3.1-1] [MQTT-2.3.1-5] [MQTT-3.3.1-2] QoS 0 outbound: no identifier, no DUP", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { a: 0 });
  const client = await broker.connect("c");
  for (const qos of [0, 1, 2] as const) {
    await publish(client, "a", { payload: "hi", qos, dup: qos > 0 });
    const bytes = watcher.bytesOf(await watcher.expect("publish"));
    expect([...bytes]).toEqual([0x30, 5, 0, 1, 0x61, 0x68, 0x69]);
  }
});

test("[MQTT-4.3.2-1] [MQTT-2.3.1-1] QoS 1 outbound: DUP 0, an identifier that is not zero and not in use", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { a: 1 });
  const client = await broker.connect("c");
  const ids = new Set<number>();
  for (let at = 0; at < 10; at++) {
    await publish(client, "a", { payload: String(at), qos: 1 });
    const { messageId, dup, qos, text } = await receiveOnly(watcher);
    expect([dup, qos, text]).toEqual([false, 1, String(at)]);
    ids.add(messageId ?? 0);
  }
  expect(ids.size).toBe(10);
  expect(ids.has(0)).toBe(false);
});

test("[MQTT-4.3.3-1] QoS 2 outbound: PUBLISH with DUP 0, PUBREL for PUBREC with the same identifier, silence after PUBCOMP", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { a: 2 });
  const client = await broker.connect("c");
  await publish(client, "a", { qos: 2 });
  const { messageId = 0, dup, qos } = await receiveOnly(watcher);
  expect([dup, qos]).toEqual([false, 2]);
  await watcher.silent(); // nothing before PUBREC
  await watcher.sendPacket({ cmd: "pubrec", messageId });
  const pubrel = await watcher.expect("pubrel");
  expect([...watcher.bytesOf(pubrel)]).toEqual([0x62, 2, messageId >> 8, messageId & 255]);
  await watcher.silent();
  await watcher.sendPacket({ cmd: "pubcomp", messageId });
  await watcher.silent();
});

test("[MQTT-4.3.3-1] a repeated PUBREC gets PUBREL again, and never PUBLISH", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { a: 2 });
  const client = await broker.connect("c");
  await publish(client, "a", { qos: 2 });
  const { messageId = 0 } = await receiveOnly(watcher);
  for (let time = 0; time < 2; time++) {
    await watcher.sendPacket({ cmd: "pubrec", messageId });
    expect(await watcher.next()).toMatchObject({ cmd: "pubrel", messageId });
  }
  await watcher.sendPacket({ cmd: "pubcomp", messageId });
  await watcher.silent();
});

test("[MQTT-2.3.1-4] identifiers of the broker are free again after PUBACK and PUBCOMP: more messages than identifiers pass", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("self");
  await subscribe(client, { a: 1 });
  const count = 66_000;
  const batch = 500;
  let got = 0;
  for (let sent = 0; sent < count; sent += batch) {
    const packets = Array.from({ length: batch }, (_, at) => {
      const id = ((sent + at) % 65_535) + 1;
      return rawPacket(0x32, "a", id >> 8, id & 255);
    });
    await client.send(...packets);
    for (let at = 0; at < batch; at++) {
      const message = await receiveOnly(client);
      expect(message.messageId).toBeGreaterThan(0);
      await acknowledge(client, message);
      got++;
    }
    for (let at = 0; at < batch; at++) await client.answer("puback");
  }
  expect(got).toBe(count);
  await client.silent();
}, 60_000);

test("client and broker choose identifiers independently: the same one both ways at once", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  await subscribe(client, { a: 2 });
  const other = await broker.connect("other");
  await publish(other, "a", { qos: 2, payload: "in" });
  const { messageId = 0 } = await receiveOnly(client);
  await sendPublish(client, "b", { qos: 2, messageId });
  expect(await client.next()).toMatchObject({ cmd: "pubrec", messageId });
  await client.sendPacket({ cmd: "pubrec", messageId });
  expect(await client.next()).toMatchObject({ cmd: "pubrel", messageId });
  await client.sendPacket({ cmd: "pubrel", messageId });
  expect(await client.next()).toMatchObject({ cmd: "pubcomp", messageId });
  await client.sendPacket({ cmd: "pubcomp", messageId });
  await client.silent();
});

test("acknowledgements of unknown identifiers change nothing", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  await subscribe(client, { a: 1 });
  await client.sendPacket({ cmd: "puback", messageId: 999 });
  await client.silent();
  await client.sendPacket({ cmd: "pubcomp", messageId: 999 });
  await client.silent();
  await client.sendPacket({ cmd: "pubrec", messageId: 999 });
  await client.ping(); // PUBREL is allowed, closing is not
  expect(client.unread.filter(({ cmd }) => cmd !== "pubrel")).toEqual([]);
  await publish(client, "a", { payload: "on", qos: 1 });
  expect((await client.answer("publish")).payload.toString()).toBe("on");
});

test("messages may be acknowledged in another order than they came", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { a: 1 });
  const client = await broker.connect("c");
  for (const payload of ["1", "2", "3"]) await publish(client, "a", { payload, qos: 1 });
  const messages = [await receiveOnly(watcher), await receiveOnly(watcher), await receiveOnly(watcher)];
  for (const message of messages.toReversed()) await acknowledge(watcher, message);
  await watcher.silent();
});

test("[MQTT-3.3.1-3] DUP of an incoming PUBLISH is not passed on", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { a: 2 });
  const client = await broker.connect("c");
  await publish(client, "a", { qos: 1, dup: true });
  await publish(client, "a", { qos: 2, dup: true });
  const messages = await receiveAll(watcher, 2);
  expect(messages.map(({ qos, dup }) => [qos, dup])).toEqual([
    [1, false],
    [2, false],
  ]);
});

test("[MQTT-3.8.4-6] a message arrives with the lesser of its own QoS and the granted one", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  for (const granted of [0, 1, 2] as const) {
    const watcher = await broker.connect(`watcher${granted}`);
    expect(await subscribe(watcher, { a: granted })).toEqual([granted]);
    for (const qos of [0, 1, 2] as const) {
      await publish(client, "a", { payload: `at ${qos}`, qos });
      expect(await receive(watcher)).toMatchObject({ text: `at ${qos}`, qos: Math.min(qos, granted) });
    }
    await watcher.silent();
  }
});

test("a payload is any bytes, and an empty one is a message", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  await subscribe(client, { a: 1 });
  const every = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
  for (const payload of [every, Buffer.alloc(0)]) {
    await publish(client, "a", { payload, qos: 1 });
    expect((await client.answer("publish")).payload).toEqual(payload);
  }
});

test("[MQTT-3.3.5-2] a PUBLISH that is not allowed is acknowledged or ends the connection, and reaches nobody", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  const topic = isExternal ? "$SYS/not/yours" : `${refused}/topic`;
  if (!isExternal) await subscribe(watcher, { "#": 1 });
  for (const [qos, answer] of [
    [1, "puback"],
    [2, "pubrec"],
  ] as const) {
    const client = await broker.connect("c");
    await sendPublish(client, topic, { qos, messageId: 7 });
    const packets = await Promise.race([client.untilClosed(), client.answer(answer, 7).then((packet) => [packet])]);
    expect(packets.filter((packet) => packet.cmd !== answer || packet.messageId !== 7)).toEqual([]);
  }
  await watcher.silent();
});
