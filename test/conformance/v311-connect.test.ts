// MQTT 3.1.1, chapters 3.1 and 3.2: CONNECT and CONNACK. Bytes that no CONNECT may have are in v311-malformed.
import { expect, test } from "vitest";
import { lengthPrefixed, rawPacket } from "../fakes/raw-client.ts";
import { conformanceBroker, isExternal, refused } from "./broker-under-test.ts";
import { pendingMessages, publish, receive, subscribe } from "./flows.ts";

const cleanSession = 0x02;

/** CONNECT with an empty keepalive, byte by byte. */
function connectBytes(level: number, flags: number, ...payload: readonly (string | Uint8Array)[]): Uint8Array {
  return rawPacket(0x10, "MQTT", level, flags, 0, 0, ...payload);
}

const connackRefused = (code: number): Uint8Array => Uint8Array.from([0x20, 2, 0, code]);

test("[MQTT-3.1.4-4] [MQTT-3.2.0-1] a good CONNECT is answered with CONNACK 0, before anything else", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.open();
  const subscribeBytes = rawPacket(0x82, 0, 1, "a", 0);
  await client.send(connectBytes(4, cleanSession, "c"), subscribeBytes, rawPacket(0x30, "a", Buffer.from("x")));
  const connack = await client.next();
  expect([...client.bytesOf(connack)]).toEqual([0x20, 2, 0, 0]);
  await client.answer("suback");
  await client.answer("publish");
});

test("[MQTT-3.1.0-2] a second CONNECT on a connection closes it, without another CONNACK", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("twice");
  await client.send(connectBytes(4, cleanSession, "twice"));
  await client.expectClosed();
});

test("[MQTT-3.1.2-1] an unknown protocol name is not served as MQTT", async () => {
  await using broker = await conformanceBroker();
  for (const name of ["MQTX", "mqtt", "", "MQTTT"]) {
    const client = await broker.open();
    await client.send(rawPacket(0x10, name, 4, cleanSession, 0, 0, "c"));
    const packets = await client.untilClosed();
    expect(
      packets.filter((packet) => packet.cmd !== "connack" || packet.returnCode === 0),
      name,
    ).toEqual([]);
  }
});

test("[MQTT-3.1.2-2] [MQTT-3.2.2-4] [MQTT-3.2.2-5] an unknown protocol level is answered with CONNACK 1, then closed", async () => {
  await using broker = await conformanceBroker();
  for (const level of [0, 1, 2, 3]) {
    const client = await broker.open();
    await client.send(connectBytes(level, cleanSession, "c"));
    const connack = await client.next();
    expect(client.bytesOf(connack), `level ${level}`).toEqual(Buffer.from(connackRefused(1)));
    await client.expectClosed();
  }
});

test("[MQTT-3.2.2-4] a refusal never says that a session is present", async () => {
  await using broker = await conformanceBroker();
  const keeper = await broker.connect("keeper", { clean: false });
  await keeper.disconnect();
  const client = await broker.open();
  await client.send(connectBytes(2, 0, "keeper"));
  expect(await client.next()).toMatchObject({ cmd: "connack", sessionPresent: false, returnCode: 1 });
});

test("MQIsdp with level 3 is MQTT 3.1, and is served", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("old", { protocolVersion: 3 });
  const other = await broker.connect("new");
  expect(await subscribe(client, { "a/+": 2 })).toEqual([2]);
  await publish(other, "a/b", { payload: "to 3.1", qos: 2 });
  expect(await receive(client)).toMatchObject({ topic: "a/b", text: "to 3.1", qos: 2 });
  await subscribe(other, { back: 1 });
  await publish(client, "back", { payload: "from 3.1", qos: 1 });
  expect(await receive(other)).toMatchObject({ text: "from 3.1", qos: 1 });
  await client.silent();
});

test("MQIsdp: will, user name and a kept session work as in 3.1.1; the first byte of CONNACK is reserved there", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { will: 0 });
  const will = { topic: "will", payload: "gone", qos: 0, retain: false } as const;
  const first = await broker.connect("old", { protocolVersion: 3, clean: false, username: "u", will });
  await subscribe(first, { kept: 1 });
  await first.end();
  expect(await receive(watcher)).toMatchObject({ text: "gone" });
  await publish(watcher, "kept", { payload: "later", qos: 1 });
  const second = await broker.open({ protocolVersion: 3 });
  const connack = await second.connect({ clientId: "old", clean: false });
  expect([...second.bytesOf(connack)]).toEqual([0x20, 2, 0, 0]);
  expect(await receive(second)).toMatchObject({ text: "later" });
});

test("MQIsdp: the client identifier has at least one character, else CONNACK 2", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.open({ protocolVersion: 3 });
  await client.send(rawPacket(0x10, "MQIsdp", 3, cleanSession, 0, 0, ""));
  expect(await client.next()).toMatchObject({ cmd: "connack", returnCode: 2 });
  await client.expectClosed();
});

test("[MQTT-3.1.2-9] [MQTT-3.1.2-19] [MQTT-3.1.2-21] [MQTT-3.1.3-1] [MQTT-3.1.3-3] the payload is read in its order: client, will topic, will message, user, password", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { "#": 2 });
  const client = await broker.open();
  const flags = 0x80 | 0x40 | 0x10 | 0x04 | cleanSession; // user, password, will at QoS 2
  await client.send(connectBytes(4, flags, "first", "second", "third", "fourth", "fifth"));
  expect(await client.next()).toMatchObject({ cmd: "connack", returnCode: 0 });
  await client.end();
  expect(await receive(watcher)).toMatchObject({ topic: "second", text: "third", qos: 2 });
});

test("an empty user name and an empty password are present, though empty", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.open();
  await client.send(connectBytes(4, 0x80 | 0x40 | cleanSession, "c", "", ""));
  expect(await client.next()).toMatchObject({ cmd: "connack", returnCode: 0 });
});

test("a password is any bytes, also such as are no UTF-8", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.open();
  const password = lengthPrefixed(Buffer.from([0, 0xff, 0xc3]));
  await client.send(connectBytes(4, 0x80 | 0x40 | cleanSession, "c", "user", password));
  expect(await client.next()).toMatchObject({ cmd: "connack", returnCode: 0 });
});

test("[MQTT-3.1.3-5] client identifiers of 1 to 23 letters and digits are accepted", async () => {
  await using broker = await conformanceBroker();
  const names = ["a", "0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ", "KLMNOPQRSTUVWXYZ"];
  const clients = await Promise.all(names.map((name) => broker.connect(name)));
  for (const client of clients) await client.silent();
});

test("[MQTT-3.1.3-6] clients without an identifier get one each: both stay, and neither gets the other's messages", async () => {
  await using broker = await conformanceBroker();
  const first = await broker.connect("");
  const second = await broker.connect("");
  await subscribe(first, { a: 1 });
  await subscribe(second, { b: 1 });
  await publish(second, "a", { payload: "for the first", qos: 1 });
  expect(await receive(first)).toMatchObject({ text: "for the first" });
  await second.silent();
  await first.silent();
});

test("[MQTT-3.1.3-7] [MQTT-3.1.3-8] [MQTT-3.1.3-9] [MQTT-3.2.2-5] without an identifier and a clean session: CONNACK 2, then closed", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.open();
  await client.send(connectBytes(4, 0, ""));
  expect(client.bytesOf(await client.next())).toEqual(Buffer.from(connackRefused(2)));
  await client.expectClosed();
});

test("[MQTT-3.1.4-5] nothing that follows a refused CONNECT is processed", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { a: 0 });
  for (const bytes of [connectBytes(6, cleanSession, "c"), connectBytes(4, 0, "")]) {
    const client = await broker.open();
    await client.send(bytes, rawPacket(0x31, "a", Buffer.from("not to be seen")));
    const packets = await client.untilClosed();
    expect(packets.filter(({ cmd }) => cmd !== "connack")).toEqual([]);
  }
  await watcher.silent();
  await subscribe(watcher, { a: 0 });
  await watcher.silent(); // nor retained
});

test.skipIf(isExternal)(
  "[MQTT-3.2.2-4] [MQTT-3.2.2-5] who is not allowed gets CONNACK 4 or 5, then is closed",
  async () => {
    await using broker = await conformanceBroker();
    const client = await broker.open();
    const { returnCode, sessionPresent } = await client.connect({ clientId: "c", username: refused });
    expect([4, 5]).toContain(returnCode);
    expect(sessionPresent).toBe(false);
    await client.expectClosed();
  },
);

test("[MQTT-3.1.4-2] a client that connects again under its identifier takes over, and the older connection is closed", async () => {
  await using broker = await conformanceBroker();
  const older = await broker.connect("same");
  await subscribe(older, { a: 1 });
  const newer = await broker.connect("same");
  await older.expectClosed();
  await publish(newer, "a", { qos: 1 });
  await newer.silent(); // the clean session has no subscription
  expect(await subscribe(newer, { a: 1 })).toEqual([1]);
  await publish(newer, "a", { payload: "mine", qos: 1 });
  expect(await receive(newer)).toMatchObject({ text: "mine" });
});

test("an identifier is compared byte by byte: case and accents are different clients", async () => {
  await using broker = await conformanceBroker();
  const clients = [];
  for (const name of ["name", "Name", "nam\u00e9", "name\u0301"]) clients.push(await broker.connect(name));
  for (const client of clients) await client.silent();
});

test("[MQTT-3.14.4-2] what follows DISCONNECT is not processed, and the connection closes", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { a: 1 });
  const client = await broker.connect("c");
  await client.send(Uint8Array.from([0xe0, 0]), rawPacket(0x30, "a", Buffer.from("too late")));
  await client.expectClosed();
  expect(await pendingMessages(watcher)).toEqual([]);
});

test.skipIf(isExternal)("a connection without CONNECT is closed after a while", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.open();
  const other = await broker.connect("other");
  await other.ping(); // the broker knows both by now
  await broker.advance(60_000);
  await client.expectClosed();
  await other.silent();
});
