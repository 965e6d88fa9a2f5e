// What a node hands on for others: of whoever was below it, also when that one is elsewhere now; of nobody else.
import { expect, test } from "vitest";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import type { StreamState } from "#shared/journal/stream.ts";
import { decodeAck, encodeBatch, type Ack } from "#shared/link/frames.ts";
import { decodeFromParent, encodeHello, protocolVersion } from "#shared/link/hello.ts";
import { downFilter, upTopic } from "#shared/topics.ts";
import { MemoryTree } from "../fakes/memory-tree.ts";
import { expectExact, expectSettled, numbers, publish, storedNumbers, threeLevels } from "./tree-scene.ts";

/** A child of `parent` that names `origin` as relayed from below, and sends one message under a number of that one's stream. */
async function impostor(tree: MemoryTree, parent: string, stream: StreamState, number: number): Promise<Ack["naks"]> {
  const name = parseNodeName("impostor");
  const control = await tree.client(parent, name);
  let session = 0;
  const naks: Ack["naks"][number][] = [];
  control.onMessage(({ topic, payload }) => {
    const greeting = topic.endsWith("/h") ? decodeFromParent(payload) : { malformed: "" };
    if ("frame" in greeting && "welcome" in greeting.frame) ({ session } = greeting.frame.welcome);
    const ack = topic.endsWith("/a") ? decodeAck(payload, name) : { malformed: "" };
    if ("frame" in ack) naks.push(...ack.frame.naks);
  });
  await control.subscribe(downFilter(name));
  const place = { level: "fog", zone: undefined, tags: [] } as const;
  const who = { version: protocolVersion, name, epoch: 77, bootId: "b", uuid: "other", conn: 1, place };
  const relays = [parseNodeName(stream.origin)];
  const said = { streams: [stream], lows: [], nowMs: tree.clock.now(), descendants: [], relays };
  await control.publish({
    topic: upTopic(name, "h"),
    payload: encodeHello({ ...who, ...said }),
    qos: 0,
    retain: false,
  });
  await tree.settle();
  const item = { timeMs: 1, topic: "/data/x", payload: new TextEncoder().encode("forged"), retain: false };
  const body = encodeSegment([item]);
  const { origin, epoch, streamId } = stream;
  const numbered = { origin, epoch, streamId, first: number, items: 1, firstMs: 1, lastMs: 1, flags: 0 };
  const segments = [{ ...numbered, crc: nodeHasher.crc32(body), body, gap: undefined }];
  const head = { session, lane: "control", frameNumber: 1, streams: [stream], lows: [], relays } as const;
  const batch = encodeBatch({ ...head, segments }, name);
  await control.publish({ topic: upTopic(name, "b"), payload: batch, qos: 0, retain: false });
  await tree.settle();
  return naks;
}

async function streamOf(tree: MemoryTree, origin: string): Promise<StreamState> {
  const row = (await tree.ledger("cloud-1")).find((one) => one.origin === origin);
  if (row === undefined) throw new Error(`the root knows no stream of ${origin}`);
  const traits = { priority: 2, class: "custody", order: "live-first", policy: "oldest" } as const;
  return { ...traits, origin, epoch: row.epoch, streamId: row.streamId, name: "data", high: 1000 };
}

test("a child cannot use up the numbers of a node that is live below another one", async () => {
  await using tree = await threeLevels();
  await publish(tree, "device-1", 1, 3);
  await tree.advance(3000);
  const naks = await impostor(tree, "cloud-1", await streamOf(tree, "device-1"), 4);
  expect(naks.map(({ code, first }) => [code, first])).toEqual([["elsewhere", 4]]);
  await publish(tree, "device-1", 4, 6);
  await tree.advance(10_000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 6));
  expect(await expectSettled(tree)).toMatchObject([{ origin: "device-1", high: 6 }]);
});

test("what lies on a node that was cut off all the time comes while its origin is live elsewhere, and nothing is refused", async () => {
  await using tree = await threeLevels();
  await tree.add("fog-2", { level: "fog", parent: "cloud-1" });
  // The root has never heard that the device was below this one.
  await tree.link("fog-2", "down");
  await tree.move("device-1", "fog-2");
  await publish(tree, "device-1", 1, 10);
  await tree.advance(3000);
  await tree.move("device-1", "fog-1");
  await publish(tree, "device-1", 11, 15);
  await tree.advance(5000);
  expect(await storedNumbers(tree)).toEqual(numbers(11, 15));
  await tree.link("fog-2", "up");
  await tree.advance(40_000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 15));
  await expectSettled(tree);
  await expectExact(tree, ["device-1", "fog-1", "fog-2", "cloud-1"]);
  expect(tree.log.lines.filter(({ phrase }) => phrase === "segment not taken")).toEqual([]);
});

test("the same by way of a fog that has moved itself", async () => {
  await using tree = await threeLevels();
  await tree.add("fog-2", { level: "fog", parent: "cloud-1" });
  await tree.link("fog-2", "down");
  await tree.move("fog-1", "fog-2");
  await tree.advance(3000);
  await publish(tree, "device-1", 1, 10);
  await tree.advance(3000);
  expect((await tree.ledger("fog-2")).map(({ held }) => held)).toEqual([10]);
  await tree.move("fog-1", "cloud-1");
  await publish(tree, "device-1", 11, 12);
  await tree.advance(5000);
  await tree.link("fog-2", "up");
  await tree.advance(40_000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 12));
  expect(tree.log.lines.filter(({ phrase }) => phrase === "segment not taken")).toEqual([]);
});
