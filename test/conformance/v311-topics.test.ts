// MQTT 3.1.1, chapters 4.7 and 1.5.3: which topic matches which filter, and what is left as it was written.
import { expect, test } from "vitest";
import { lengthPrefixed, rawPacket } from "../fakes/raw-client.ts";
import { conformanceBroker } from "./broker-under-test.ts";
import { pendingMessages, publish, receive, receiveAll, subscribe } from "./flows.ts";

/** Filter; topics that match it; topics that do not. */
const matches: readonly (readonly [filter: string, yes: readonly string[], no: readonly string[]])[] = [
  ["a", ["a"], ["A", "a/", "/a", "a/b", "aa", "b"]],
  ["a/b", ["a/b"], ["a", "a/b/", "a/b/c", "a//b", "a/B"]],
  ["/a", ["/a"], ["a", "//a", "/a/"]],
  ["a/", ["a/"], ["a", "a//"]],
  ["/", ["/"], ["//", "a", "a/", "/a"]],
  ["a//b", ["a//b"], ["a/b", "a///b"]],
  ["#", ["a", "/", "/a", "a/", "a/b/c", "//"], ["$priv/a", "$"]],
  ["a/#", ["a", "a/", "a/b", "a/b/c", "a//"], ["aa", "b/a", "/a", "A/b"]],
  ["/#", ["/", "/a", "//", "/a/b"], ["a", "a/"]],
  ["a/b/#", ["a/b", "a/b/c"], ["a", "a/bb", "a/c"]],
  ["+", ["a", "ab"], ["/", "a/", "/a", "a/b", "$priv"]],
  ["+/+", ["a/b", "/a", "a/", "/"], ["a", "a/b/c", "//", "$priv/a"]],
  ["/+", ["/a", "/"], ["a", "/a/", "//"]],
  ["+/", ["a/", "/"], ["a", "/a", "a/b"]],
  ["a/+", ["a/b", "a/"], ["a", "a/b/c", "a/b/", "b/a"]],
  ["a/+/c", ["a/b/c", "a//c"], ["a/c", "a/b/d/c", "a/b/c/d"]],
  ["+/b/#", ["a/b", "a/b/c", "/b/c", "/b"], ["b", "a/c/b", "$priv/b"]],
  ["a/+/#", ["a/b", "a/b/c", "a/"], ["a"]],
  ["+/+/+", ["a/b/c", "//"], ["a/b", "a/b/c/d"]],
  ["$priv/#", ["$priv", "$priv/a", "$priv/a/b"], ["priv/a", "$privy"]],
  ["$priv/+", ["$priv/a"], ["$priv", "$priv/a/b"]],
  ["a/$b", ["a/$b"], ["a/b"]],
  ["a/+/x", ["a/$b/x"], ["a/x"]],
  ["sp ace/\u00fc/\u{1f600}", ["sp ace/\u00fc/\u{1f600}"], ["space/\u00fc/\u{1f600}"]],
];

test.each(matches)(
  "[MQTT-3.3.2-3] [MQTT-4.5.0-1] [MQTT-4.7.1-2] [MQTT-4.7.1-3] [MQTT-4.7.2-1] %s matches what it should",
  async (filter, yes, no) => {
    await using broker = await conformanceBroker();
    const publisher = await broker.connect("publisher");
    const client = await broker.connect("c");
    expect(await subscribe(client, { [filter]: 0 })).toEqual([0]);
    for (const topic of [...no, ...yes, ...no]) await publish(publisher, topic, { payload: topic });
    const messages = await receiveAll(client, yes.length);
    expect(messages.map(({ topic }) => topic)).toEqual(yes);
    expect(messages.map(({ text }) => text)).toEqual(yes);
    expect(await pendingMessages(client)).toEqual([]);
  },
);

test.each(matches)("[MQTT-3.3.1-6] %s finds the retained messages it should", async (filter, yes, no) => {
  await using broker = await conformanceBroker();
  const publisher = await broker.connect("publisher");
  for (const topic of [...no, ...yes]) await publish(publisher, topic, { payload: topic, retain: true });
  const client = await broker.connect("c");
  await subscribe(client, { [filter]: 0 });
  const topics = (await receiveAll(client, yes.length)).map(({ topic }) => topic);
  expect(topics.toSorted()).toEqual([...yes].toSorted());
  expect(await pendingMessages(client)).toEqual([]);
});

test("[MQTT-4.7.3-4] nothing is normalised: composed and decomposed letters, case and slashes are different topics", async () => {
  await using broker = await conformanceBroker();
  const publisher = await broker.connect("publisher");
  const names = [
    "\u00e9",
    "e\u0301",
    "\u00c9",
    "e",
    "\ufb01",
    "fi",
    "a/./b",
    "a/b",
    "a/../b",
    "a%2fb",
    "a\\b",
    " a",
    "a ",
  ];
  for (const name of names) {
    const client = await broker.connect("c");
    await subscribe(client, { [name]: 0 });
    for (const topic of names) await publish(publisher, topic, { payload: topic });
    expect(await receive(client)).toMatchObject({ topic: name });
    expect(await pendingMessages(client)).toEqual([]);
    await client.disconnect();
  }
});

test("[MQTT-1.5.3-3] U+FEFF is a character like others, also at the beginning", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  const marked = lengthPrefixed(Buffer.from([0xef, 0xbb, 0xbf, 0x61]));
  await client.send(rawPacket(0x82, 0, 1, marked, 0), rawPacket(0x82, 0, 2, "b", 0));
  await client.answer("suback", 2);
  await client.answer("suback", 1);
  await client.send(rawPacket(0x30, "a", Buffer.from("plain")), rawPacket(0x30, marked, Buffer.from("marked")));
  const message = await client.expect("publish");
  expect([...client.bytesOf(message)]).toEqual([...rawPacket(0x30, marked, Buffer.from("marked"))]);
  await client.silent();
});

test("[MQTT-1.5.3-1] every length of character is legal in a topic, and passes byte for byte", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  await subscribe(client, { "#": 0 });
  // Control characters and noncharacters are left out: the specification lets a broker refuse them.
  for (const topic of ["\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\u{10000}", "\u{10fffd}"]) {
    const bytes = rawPacket(0x30, topic, Buffer.from("x"));
    await client.send(bytes);
    expect([...client.bytesOf(await client.expect("publish"))]).toEqual([...bytes]);
  }
});

test("a topic may have many levels and a thousand bytes", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  for (const topic of [Array.from({ length: 60 }, (_, at) => String(at)).join("/"), "x".repeat(1_000)]) {
    expect(await subscribe(client, { [topic]: 1 })).toEqual([1]);
    await publish(client, topic, { qos: 1 });
    expect(await receive(client)).toMatchObject({ topic });
  }
});

test("[MQTT-4.7.2-1] a topic beginning with $ needs a filter that names it, also among retained messages", async () => {
  await using broker = await conformanceBroker();
  const publisher = await broker.connect("publisher");
  await publish(publisher, "$priv/a", { payload: "kept", retain: true, qos: 1 });
  const client = await broker.connect("c");
  await subscribe(client, { "#": 1, "+/a": 1, "+/#": 1 });
  await client.silent();
  await subscribe(client, { "$priv/+": 1 });
  expect(await receive(client)).toMatchObject({ topic: "$priv/a", text: "kept" });
  await publish(publisher, "$priv/a", { payload: "now", qos: 1 });
  expect(await receive(client)).toMatchObject({ topic: "$priv/a", text: "now" });
  expect(await pendingMessages(client)).toEqual([]);
});
