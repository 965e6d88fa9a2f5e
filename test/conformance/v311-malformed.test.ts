// MQTT 3.1.1, what a broker has to refuse: each row is a packet that no client may send, and ends its connection and no other one.
import { expect, test } from "vitest";
import { lengthPrefixed, rawPacket } from "../fakes/raw-client.ts";
import { conformanceBroker } from "./broker-under-test.ts";
import { publish, receive, subscribe } from "./flows.ts";

type Row = readonly [reason: string, bytes: Uint8Array];

const bytesOf = (...bytes: readonly number[]): Uint8Array => Uint8Array.from(bytes);
const text = (...bytes: readonly number[]): Uint8Array => lengthPrefixed(Uint8Array.from(bytes));
const payload = Buffer.from("x");

/** Strings that are no legal UTF-8 string of MQTT. */
const badStrings: readonly Row[] = [
  ["a byte that begins no character", text(0x61, 0x80)],
  ["an overlong encoding", text(0xc0, 0xaf)],
  ["a character cut short", text(0x61, 0xc3)],
  ["a character broken off by another", text(0xe2, 0x82, 0x61)],
  ["a surrogate, U+D800", text(0xed, 0xa0, 0x80)],
  ["a surrogate, U+DFFF", text(0xed, 0xbf, 0xbf)],
  ["a character above U+10FFFF", text(0xf4, 0x90, 0x80, 0x80)],
];

const withNull = text(0x61, 0, 0x62);

function connect(flags: number, ...rest: readonly (string | number | Uint8Array)[]): Uint8Array {
  return rawPacket(0x10, "MQTT", 4, flags, 0, 60, ...rest);
}

const badConnects: readonly Row[] = [
  ["[MQTT-3.1.2-3] the reserved flag is set", connect(0x03, "c")],
  ["[MQTT-3.1.2-9] a will flag without will topic and message", connect(0x06, "c")],
  ["[MQTT-3.1.2-9] a will topic without will message", connect(0x06, "c", "will")],
  ["[MQTT-3.1.2-11] [MQTT-3.1.2-13] will QoS 1 without a will", connect(0x0a, "c")],
  ["[MQTT-3.1.2-13] will QoS 2 without a will", connect(0x12, "c")],
  ["[MQTT-3.1.2-11] a will topic and message without the will flag", connect(0x02, "c", "will", "gone")],
  ["[MQTT-3.1.2-14] will QoS 3", connect(0x1e, "c", "will", "gone")],
  ["[MQTT-3.1.2-15] will retain without a will", connect(0x22, "c")],
  ["[MQTT-3.1.2-18] a user name without its flag", connect(0x02, "c", "user")],
  ["[MQTT-3.1.2-19] a user name flag without user name", connect(0x82, "c")],
  ["[MQTT-3.1.2-20] a password without its flag", connect(0x82, "c", "user", "password")],
  ["[MQTT-3.1.2-21] a password flag without password", connect(0xc2, "c", "user")],
  ["[MQTT-3.1.2-22] a password without user name", connect(0x42, "c", "password")],
  ["[MQTT-3.1.3-3] no client identifier", connect(0x02)],
  ["[MQTT-3.1.4-1] a client identifier cut short", connect(0x02, 0, 9, 0x63)],
  ["[MQTT-3.1.4-1] no flags", rawPacket(0x10, "MQTT", 4)],
  ["[MQTT-3.1.4-1] half a keepalive", rawPacket(0x10, "MQTT", 4, 2, 0)],
  ["[MQTT-3.1.4-1] no level", rawPacket(0x10, "MQTT")],
  ["[MQTT-3.1.4-1] nothing at all", rawPacket(0x10)],
  ["[MQTT-2.2.2-2] flags in the fixed header", Buffer.from(connect(0x02, "c")).fill(0x11, 0, 1)],
  ...badStrings.map(([reason, bytes]): Row => [
    `[MQTT-3.1.3-4] the client identifier has ${reason}`,
    connect(2, bytes),
  ]),
  ["[MQTT-1.5.3-2] the client identifier has U+0000", connect(0x02, withNull)],
  ["[MQTT-3.1.3-10] the will topic is no UTF-8", connect(0x06, "c", text(0x61, 0xff), "gone")],
  ["[MQTT-1.5.3-2] the will topic has U+0000", connect(0x06, "c", withNull, "gone")],
  ["[MQTT-4.7.1-1] the will topic has a wildcard", connect(0x06, "c", "will/+", "gone")],
  ["[MQTT-4.7.3-1] the will topic is empty", connect(0x06, "c", "", "gone")],
  ["[MQTT-3.1.3-11] the user name is no UTF-8", connect(0x82, "c", text(0x61, 0xff))],
  ["[MQTT-1.5.3-2] the user name has U+0000", connect(0x82, "c", withNull)],
  ["[MQTT-4.8.0-1] a length of five bytes", bytesOf(0x10, 0x80, 0x80, 0x80, 0x80, 0x01)],
];

test.each(badConnects)(
  "[MQTT-3.1.4-1] [MQTT-3.2.2-6] CONNECT is closed without CONNACK: %s",
  async (_reason, bytes) => {
    await using broker = await conformanceBroker();
    const client = await broker.open();
    await client.send(bytes);
    await client.expectClosed();
  },
);

const firstPackets: readonly Row[] = [
  ["CONNACK", bytesOf(0x20, 2, 0, 0)],
  ["PUBLISH", rawPacket(0x30, "a", payload)],
  ["PUBLISH with QoS 1", rawPacket(0x32, "a", 0, 1, payload)],
  ["PUBACK", rawPacket(0x40, 0, 1)],
  ["PUBREL", rawPacket(0x62, 0, 1)],
  ["SUBSCRIBE", rawPacket(0x82, 0, 1, "a", 0)],
  ["UNSUBSCRIBE", rawPacket(0xa2, 0, 1, "a")],
  ["PINGREQ", bytesOf(0xc0, 0)],
  ["DISCONNECT", bytesOf(0xe0, 0)],
  ["another protocol", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
];

test.each(firstPackets)(
  "[MQTT-3.1.0-1] [MQTT-4.8.0-1] a connection that begins with %s is closed",
  async (_name, bytes) => {
    await using broker = await conformanceBroker();
    const watcher = await broker.connect("watcher");
    await subscribe(watcher, { a: 0 });
    const client = await broker.open();
    await client.send(bytes);
    await client.expectClosed();
    await watcher.silent();
  },
);

const badFlags: readonly Row[] = [
  ["[MQTT-3.6.1-1] PUBREL with flags 0000", rawPacket(0x60, 0, 1)],
  ["[MQTT-3.6.1-1] PUBREL with flags 0011", rawPacket(0x63, 0, 1)],
  ["[MQTT-3.6.1-1] PUBREL with flags 1010", rawPacket(0x6a, 0, 1)],
  ["[MQTT-3.8.1-1] SUBSCRIBE with flags 0000", rawPacket(0x80, 0, 1, "a", 0)],
  ["[MQTT-3.8.1-1] SUBSCRIBE with flags 0011", rawPacket(0x83, 0, 1, "a", 0)],
  ["[MQTT-3.8.1-1] SUBSCRIBE with flags 1010", rawPacket(0x8a, 0, 1, "a", 0)],
  ["[MQTT-3.10.1-1] UNSUBSCRIBE with flags 0000", rawPacket(0xa0, 0, 1, "a")],
  ["[MQTT-3.10.1-1] UNSUBSCRIBE with flags 0110", rawPacket(0xa6, 0, 1, "a")],
  ["[MQTT-3.14.1-1] DISCONNECT with flags 0001", bytesOf(0xe1, 0)],
  ["[MQTT-3.14.1-1] DISCONNECT with flags 1000", bytesOf(0xe8, 0)],
  ["PUBACK with flags 0010", rawPacket(0x42, 0, 1)],
  ["PUBREC with flags 0001", rawPacket(0x51, 0, 1)],
  ["PUBCOMP with flags 0010", rawPacket(0x72, 0, 1)],
  ["PINGREQ with flags 0001", bytesOf(0xc1, 0)],
];

const badPublishes: readonly Row[] = [
  ["[MQTT-3.3.1-4] PUBLISH with QoS 3", rawPacket(0x36, "a", 0, 1, payload)],
  ["[MQTT-3.3.1-2] PUBLISH with QoS 0 and DUP", rawPacket(0x38, "a", payload)],
  ["[MQTT-3.3.2-1] PUBLISH without topic", rawPacket(0x30)],
  ["[MQTT-3.3.2-1] PUBLISH with half a topic length", rawPacket(0x30, 0)],
  ["[MQTT-3.3.2-1] PUBLISH with a topic longer than the packet", rawPacket(0x30, 0, 9, 0x61)],
  ["[MQTT-4.7.3-1] PUBLISH with an empty topic", rawPacket(0x30, "", payload)],
  ["[MQTT-3.3.2-2] [MQTT-4.7.1-1] PUBLISH to a topic with #", rawPacket(0x30, "a/#", payload)],
  ["[MQTT-3.3.2-2] [MQTT-4.7.1-1] PUBLISH to a topic with +", rawPacket(0x30, "a/+/b", payload)],
  ["[MQTT-3.3.2-2] [MQTT-4.7.1-1] PUBLISH to a topic with + within a level", rawPacket(0x30, "a+b", payload)],
  ["[MQTT-2.3.1-1] PUBLISH with QoS 1 and identifier 0", rawPacket(0x32, "a", 0, 0, payload)],
  ["[MQTT-2.3.1-1] PUBLISH with QoS 2 and identifier 0", rawPacket(0x34, "a", 0, 0, payload)],
  ["[MQTT-2.3.1-1] PUBLISH with QoS 1 and no identifier", rawPacket(0x32, "a")],
  ["[MQTT-2.3.1-1] PUBLISH with QoS 1 and half an identifier", rawPacket(0x32, "a", 0)],
  ["[MQTT-4.7.3-2] PUBLISH to a topic with U+0000", rawPacket(0x30, withNull, payload)],
  ...badStrings.map(([reason, bytes]): Row => [
    `[MQTT-1.5.3-1] [MQTT-3.3.2-1] PUBLISH to a topic that has ${reason}`,
    rawPacket(0x30, bytes, payload),
  ]),
];

const badSubscribes: readonly Row[] = [
  ["[MQTT-3.8.3-3] SUBSCRIBE without filter", rawPacket(0x82, 0, 1)],
  ["[MQTT-2.3.1-1] SUBSCRIBE with identifier 0", rawPacket(0x82, 0, 0, "a", 0)],
  ["SUBSCRIBE with half an identifier", rawPacket(0x82, 0)],
  ["SUBSCRIBE with nothing", rawPacket(0x82)],
  ["SUBSCRIBE without QoS", rawPacket(0x82, 0, 1, "a")],
  ["SUBSCRIBE whose second filter has no QoS", rawPacket(0x82, 0, 1, "a", 0, "b")],
  ["SUBSCRIBE with a filter longer than the packet", rawPacket(0x82, 0, 1, 0, 9, 0x61, 0)],
  ["[MQTT-3-8.3-4] SUBSCRIBE with QoS 3", rawPacket(0x82, 0, 1, "a", 3)],
  ["[MQTT-3-8.3-4] SUBSCRIBE with the lowest reserved bit", rawPacket(0x82, 0, 1, "a", 0x04)],
  ["[MQTT-3-8.3-4] SUBSCRIBE with the highest reserved bit", rawPacket(0x82, 0, 1, "a", 0x80)],
  ["[MQTT-3-8.3-4] SUBSCRIBE whose second filter has QoS 3", rawPacket(0x82, 0, 1, "a", 0, "b", 3)],
  ["[MQTT-4.7.3-1] SUBSCRIBE to an empty filter", rawPacket(0x82, 0, 1, "", 0)],
  ["[MQTT-4.7.3-2] SUBSCRIBE to a filter with U+0000", rawPacket(0x82, 0, 1, withNull, 0)],
  ["[MQTT-4.7.1-2] SUBSCRIBE to # before the end", rawPacket(0x82, 0, 1, "a/#/b", 0)],
  ["[MQTT-4.7.1-2] SUBSCRIBE to # within a level", rawPacket(0x82, 0, 1, "a/b#", 0)],
  ["[MQTT-4.7.1-2] SUBSCRIBE to ##", rawPacket(0x82, 0, 1, "##", 0)],
  ["[MQTT-4.7.1-3] SUBSCRIBE to + behind a letter", rawPacket(0x82, 0, 1, "a+", 0)],
  ["[MQTT-4.7.1-3] SUBSCRIBE to + before a letter", rawPacket(0x82, 0, 1, "x/+a/y", 0)],
  ["[MQTT-4.7.1-3] SUBSCRIBE to ++", rawPacket(0x82, 0, 1, "++", 0)],
  ...badStrings.map(([reason, bytes]): Row => [
    `[MQTT-3.8.3-1] SUBSCRIBE to a filter that has ${reason}`,
    rawPacket(0x82, 0, 1, bytes, 0),
  ]),
];

const badUnsubscribes: readonly Row[] = [
  ["[MQTT-3.10.3-2] UNSUBSCRIBE without filter", rawPacket(0xa2, 0, 1)],
  ["[MQTT-2.3.1-1] UNSUBSCRIBE with identifier 0", rawPacket(0xa2, 0, 0, "a")],
  ["UNSUBSCRIBE with nothing", rawPacket(0xa2)],
  ["UNSUBSCRIBE with a filter longer than the packet", rawPacket(0xa2, 0, 1, 0, 9, 0x61)],
  ["UNSUBSCRIBE with half a second filter", rawPacket(0xa2, 0, 1, "a", 0)],
  ["[MQTT-4.7.3-1] UNSUBSCRIBE of an empty filter", rawPacket(0xa2, 0, 1, "")],
  ["[MQTT-4.7.3-2] UNSUBSCRIBE of a filter with U+0000", rawPacket(0xa2, 0, 1, withNull)],
  ["[MQTT-4.7.1-2] UNSUBSCRIBE of # before the end", rawPacket(0xa2, 0, 1, "a/#/b")],
  ...badStrings.map(([reason, bytes]): Row => [
    `[MQTT-3.10.3-1] UNSUBSCRIBE of a filter that has ${reason}`,
    rawPacket(0xa2, 0, 1, bytes),
  ]),
];

const badLengths: readonly Row[] = [
  ["PUBACK with nothing", rawPacket(0x40)],
  ["PUBACK with half an identifier", rawPacket(0x40, 0)],
  ["PUBACK with a third byte", rawPacket(0x40, 0, 1, 0)],
  ["PUBREC with half an identifier", rawPacket(0x50, 0)],
  ["PUBREC with a third byte", rawPacket(0x50, 0, 1, 0)],
  ["PUBREL with half an identifier", rawPacket(0x62, 0)],
  ["PUBREL with a third byte", rawPacket(0x62, 0, 1, 0)],
  ["PUBCOMP with half an identifier", rawPacket(0x70, 0)],
  ["PUBCOMP with a third byte", rawPacket(0x70, 0, 1, 0)],
  ["PUBACK with identifier 0", rawPacket(0x40, 0, 0)],
  ["PUBREL with identifier 0", rawPacket(0x62, 0, 0)],
  ["PINGREQ with a payload", rawPacket(0xc0, 0)],
  ["DISCONNECT with a payload", rawPacket(0xe0, 0)],
  ["a length of five bytes", bytesOf(0x30, 0x80, 0x80, 0x80, 0x80, 0x01)],
  ["a length that does not end", bytesOf(0x30, 0xff, 0xff, 0xff, 0xff, 0xff)],
];

const notForBrokers: readonly Row[] = [
  ["packet type 0", bytesOf(0x00, 0)],
  ["packet type 15, which is AUTH from MQTT 5 on", bytesOf(0xf0, 0)],
  ["CONNACK", bytesOf(0x20, 2, 0, 0)],
  ["SUBACK", rawPacket(0x90, 0, 1, 0)],
  ["UNSUBACK", rawPacket(0xb0, 0, 1)],
  ["PINGRESP", bytesOf(0xd0, 0)],
];

/** What each of them does: the connection closes without a word, and everybody else goes on. */
async function expectRefused(bytes: Uint8Array): Promise<void> {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  await subscribe(other, { "#": 1 });
  const client = await broker.connect("c");
  await client.send(bytes);
  await client.expectClosed();
  await other.silent();
  await publish(other, "still", { payload: "alive", qos: 1 });
  expect(await receive(other)).toMatchObject({ text: "alive" });
}

test.each(badFlags)("[MQTT-2.2.2-1] [MQTT-2.2.2-2] %s closes the connection", async (_reason, bytes) => {
  await expectRefused(bytes);
});

test.each([...badPublishes, ...badSubscribes, ...badUnsubscribes, ...badLengths, ...notForBrokers])(
  "[MQTT-4.8.0-1] %s closes the connection",
  async (_reason, bytes) => {
    await expectRefused(bytes);
  },
);
