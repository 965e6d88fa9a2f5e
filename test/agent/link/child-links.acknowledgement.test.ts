// What a parent has acknowledged is still there when it dies at that very moment.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { treeAuthorizer } from "#agent/broker/authorize.ts";
import { startChildLinks } from "#agent/link/child-links.ts";
import { createTreeTime } from "#agent/link/tree-time.ts";
import { createOwnIdentity } from "#agent/link/own-identity.ts";
import { createPresence } from "#agent/presence/presence.ts";
import { openNodeStoreInThread, type NodeStore } from "#agent/store/node-store.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { systemRandom } from "#agent/system/system-random.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import type { StreamState } from "#shared/journal/stream.ts";
import { decodeAck, encodeBatch } from "#shared/link/frames.ts";
import { decodeFromParent, encodeHello, protocolVersion } from "#shared/link/hello.ts";
import { bulkClientId, downFilter, upTopic } from "#shared/topics.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { MemoryBroker, type MemoryClient } from "../../fakes/memory-broker.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const parent = parseNodeName("fog-1");
const child = parseNodeName("device-1");
const stream: StreamState = {
  origin: child,
  epoch: 9,
  streamId: 1,
  name: "data",
  priority: 2,
  class: "custody",
  order: "live-first",
  policy: "oldest",
  high: 3,
};

/** A disk that may stop before the commit of a batch, which is where a crash hurts. */
interface Disk {
  stops: boolean;
}

async function startParent(file: string, disk: Disk) {
  const clock = new FakeClock();
  const log = silentLogger();
  const real = openNodeStoreInThread(
    { clock, hasher: nodeHasher },
    { name: parent, file, maxBytes: 1e8, isFinal: false },
  );
  const store: NodeStore = {
    ...real,
    write: (name, args, lazy) =>
      disk.stops && name === "ingest" ? new Promise<never>(() => undefined) : real.write(name, args, lazy),
  };
  const fresh = { uuid: "u", epoch: 5, instance: 6 };
  const opened = await store.write("open", { fresh, streams: [], nowMs: 1, idsAbove: 0 });
  const broker = new MemoryBroker({ clock, log }, { authorizer: treeAuthorizer });
  const tree = createPresence({ bus: broker, clock, log }, { name: parent, level: "fog", url: undefined });
  const connections = { disconnect: () => undefined, isConnected: () => false };
  const deps = { bus: broker, ...connections, store, tree, time: createTreeTime(clock, true), clock, log };
  const own = createOwnIdentity({ store, tree, clock, random: systemRandom, log }, opened);
  startChildLinks(deps, { name: parent, identity: own });
  return {
    broker,
    store,
    settle: async () => {
      for (let round = 0; round < 50; round++) await clock.advance(0);
    },
    /** Dies without a word: whatever is not committed is gone. */
    crash: async () => real[Symbol.asyncDispose](),
  };
}

/** Says hello and sends messages 1 to 3; answers the numbers that were acknowledged, as they come. */
async function sendBatch(
  { broker, settle }: Awaited<ReturnType<typeof startParent>>,
  acknowledged: number[],
): Promise<void> {
  const control: MemoryClient = await broker.connect(child);
  let session = 0;
  control.onMessage(({ topic, payload }) => {
    const greeting = topic.endsWith("/h") ? decodeFromParent(payload) : undefined;
    if (greeting !== undefined && "frame" in greeting && "welcome" in greeting.frame)
      ({ session } = greeting.frame.welcome);
    const ack = topic.endsWith("/a") ? decodeAck(payload, child) : undefined;
    if (ack === undefined || !("frame" in ack)) return;
    for (const { ranges } of ack.frame.acked)
      for (const [first, last] of ranges) for (let number = first; number <= last; number++) acknowledged.push(number);
  });
  await control.subscribe(downFilter(child));
  const place = { level: "device", zone: undefined, tags: [] } as const;
  const who = { version: protocolVersion, name: child, epoch: 9, bootId: "b", uuid: "u", conn: 1, place };
  const hello = encodeHello({ ...who, streams: [stream], lows: [], nowMs: 1, descendants: [] });
  await control.publish({ topic: upTopic(child, "h"), payload: hello, qos: 0, retain: false });
  await settle();
  const items = [1, 2, 3].map((value) => ({
    timeMs: 1,
    topic: "/data/x",
    payload: Uint8Array.of(value),
    retain: false,
  }));
  const body = encodeSegment(items);
  const segment = { origin: child, epoch: 9, streamId: 1, first: 1, items: 3, firstMs: 1, lastMs: 1, flags: 0 };
  const segments = [{ ...segment, crc: nodeHasher.crc32(body), body, gap: undefined }];
  const batch = encodeBatch({ session, lane: "bulk", frameNumber: 1, streams: [stream], lows: [], segments }, child);
  const bulk = await broker.connect(bulkClientId(child));
  await bulk.publish({ topic: upTopic(child, "b"), payload: batch, qos: 0, retain: false });
  await settle();
}

/** What the database at `file` holds after everything that had it open is gone. */
async function heldAfterCrash(file: string): Promise<readonly number[]> {
  const { store, crash } = await startParent(file, { stops: false });
  const holdings = await store.read("holdings", { node: child });
  await crash();
  return holdings.flatMap(({ ranges }) =>
    ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, index) => first + index)),
  );
}

test.each([
  ["before the commit nothing is acknowledged, and nothing acknowledged is lost", true, []],
  ["after the commit it is acknowledged, and held", false, [1, 2, 3]],
] as const)("[O5] a parent that dies: %s", async (_what, stops, expected) => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-acknowledgement-"));
  try {
    const file = join(folder, "fogbank.db");
    const node = await startParent(file, { stops });
    const acknowledged: number[] = [];
    await sendBatch(node, acknowledged);
    await node.crash();
    const held = await heldAfterCrash(file);
    expect(
      acknowledged.filter((number) => !held.includes(number)),
      "acknowledged, not held",
    ).toEqual([]);
    expect(acknowledged).toEqual(expected);
    expect(held).toEqual(expected);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
