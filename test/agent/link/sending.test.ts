// What leaves a node and what stays, over its real store.
import { mkdtempSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sending } from "#agent/link/sending.ts";
import { createTreeTime } from "#agent/link/tree-time.ts";
import { openNodeStoreInThread } from "#agent/store/node-store.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import { decodeBatch, type Batch } from "#shared/link/frames.ts";
import { limits } from "#shared/limits.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const name = parseNodeName("device-1");
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fogbank-sending-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function startSending() {
  const clock = new FakeClock();
  const log = silentLogger();
  const file = join(folder, "fogbank.db");
  const store = openNodeStoreInThread({ clock, hasher: nodeHasher }, { name, file, maxBytes: 1e8, isFinal: false });
  await store.write("open", {
    fresh: { uuid: "u", epoch: 5, instance: 6 },
    streams: [{ name: "data", priority: 2, class: "custody", order: "strict", policy: "oldest" }],
    nowMs: 1,
    idsAbove: 0,
  });
  let releasedId = 1e9;
  const backlog = { releasedId: () => releasedId, onReleased: () => ({ [Symbol.dispose]: () => undefined }) };
  const sending = new Sending({ store, backlog, clock, log, time: createTreeTime(clock, false) }, name);
  sending.begin([], []);
  let generation = 1;
  let frames = 0;
  const signal = new AbortController().signal;
  return {
    clock,
    log,
    store,
    sending,
    async append(payload: string): Promise<void> {
      const item = { timeMs: 1, topic: "/data/x", payload: new TextEncoder().encode(payload), retain: false };
      await store.write("append", { streamId: 1, items: 1, firstMs: 1, lastMs: 1, body: encodeSegment([item]) });
    },
    /** The next batch of the bulk lane, with one segment. */
    async next(): Promise<Batch | undefined> {
      const choices = [{ priority: 2, bytes: 1 }] as const;
      await sending.read({ type: "read", lane: "bulk", generation, deflate: false, choices }, signal);
      const frame = sending.frame("bulk", ++frames, 7);
      const decoded = frame && decodeBatch(frame, name);
      if (decoded !== undefined && "malformed" in decoded) throw new Error(decoded.malformed);
      return decoded?.frame;
    },
    beginAnew: () => generation++,
    /** Segments up to that id may go. */
    release: (id: number) => (releasedId = id),
    async [Symbol.asyncDispose]() {
      await sending[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

const acked = (first: number, last: number) => [
  { origin: name, epoch: 5, streamId: 1, ranges: [[first, last] as const] },
];

test("a stream is named once in a session, and again when a batch may have been lost", async () => {
  await using node = await startSending();
  for (const payload of ["a", "b", "c"]) await node.append(payload);
  expect(await node.next()).toMatchObject({ frameNumber: 1, session: 7, streams: [{ name: "data" }] });
  expect(await node.next()).toMatchObject({ frameNumber: 2, streams: [], segments: [{ first: 2 }] });
  node.sending.nameAgain();
  expect(await node.next()).toMatchObject({ streams: [{ name: "data" }] });
  expect(await node.next()).toBeUndefined();
});

test("what is acknowledged is not sent again while its deletion waits for company", async () => {
  await using node = await startSending();
  for (const payload of ["a", "b"]) await node.append(payload);
  await node.next();
  await node.next();
  node.sending.forget({ lane: "bulk", frameNumber: 1, acked: acked(1, 1) });
  node.beginAnew();
  expect(await node.next()).toMatchObject({ segments: [{ first: 2 }] });
  expect(await node.next()).toBeUndefined();
  expect(await node.store.read("accounting", {})).toMatchObject([{ row: { held: 2 } }]);
  await node.clock.advance(1_000);
  expect(await node.store.read("accounting", {})).toMatchObject([{ row: { held: 1, delivered: 1 } }]);
});

test("[O5] messages that come while a gap of their numbers is on its way outlive its acknowledgement, also a late one", async () => {
  await using node = await startSending();
  await node.append("a");
  const own = { origin: name, epoch: 5, streamId: 1, first: 1 };
  const [mine] = (await node.store.read("after", { id: 0, bytesMax: 1 })).segments;
  if (mine === undefined) throw new Error("nothing is stored");
  node.release((await node.store.write("quarantine", { ...own, reason: "corrupt", nowMs: 1 })).newestId);
  expect(await node.next()).toMatchObject({ frameNumber: 1, segments: [{ first: 1, body: null }] });
  // The frame goes unanswered, and the message comes back from below before it is sent again.
  node.beginAnew();
  const batch = { streams: [], lows: [], relays: [name], segments: [mine] };
  const { newestId, stored } = await node.store.write("ingest", { child: "device-2", batch, nowMs: 1 });
  expect(stored).toBe(1);
  node.release(newestId);
  expect(await node.next()).toMatchObject({ frameNumber: 2, segments: [{ first: 1, body: mine.body }] });
  node.sending.forget({ lane: "bulk", frameNumber: 1, acked: acked(1, 1) });
  await node.clock.advance(1_000);
  expect(await node.store.read("accounting", {})).toMatchObject([{ row: { held: 1, lost: 0, delivered: 0 } }]);
  node.sending.forget({ lane: "bulk", frameNumber: 2, acked: acked(1, 1) });
  await node.clock.advance(1_000);
  expect(await node.store.read("accounting", {})).toMatchObject([{ row: { held: 0, delivered: 1 } }]);
});

test("what a Welcome says the parent has is deleted before anything is sent", async () => {
  await using node = await startSending();
  for (const payload of ["a", "b"]) await node.append(payload);
  node.sending.begin([], acked(1, 1));
  expect(await node.next()).toMatchObject({ segments: [{ first: 2 }] });
});

test("[O9] what the parent refuses again and again is sent again after a while, and named as lost at last", async () => {
  await using node = await startSending();
  for (const payload of ["a", "b"]) await node.append(payload);
  await node.next();
  const nak = { origin: name, epoch: 5, streamId: 1, first: 1, code: "corrupt" as const };
  for (let times = 1; times <= limits.refusalsMax; times++) {
    node.sending.refuse([nak]);
    await node.store.write("forget", { acked: [] });
    await node.clock.advance(limits.refusedPauseMsMax);
    if (times < limits.refusalsMax) expect(await node.next()).toMatchObject({ segments: [{ first: 1, items: 1 }] });
  }
  expect(await node.next()).toMatchObject({ segments: [{ first: 1, body: null }] });
  const [entry] = await node.store.read("accounting", {});
  expect(entry).toMatchObject({ row: { lost: 1, held: 1 }, gaps: [{ first: 1, last: 1, reason: "corrupt" }] });
  expect(node.log.lines.map(({ phrase }) => phrase)).toContain(
    "refused by the parent again and again: named as lost and put aside",
  );
});

test("[O9] a body that has changed on the disk is named as lost instead of being sent", async () => {
  {
    await using node = await startSending();
    for (const payload of ["a", "b"]) await node.append(payload);
  }
  const database = new DatabaseSync(join(folder, "fogbank.db"));
  database.exec("UPDATE segment SET body = zeroblob(length(body)) WHERE first = 1");
  database.close();
  await using node = await startSending();
  expect(await node.next()).toMatchObject({ segments: [{ first: 2 }] });
  // Behind the write that gives it up.
  await node.store.write("forget", { acked: [] });
  expect(await node.next()).toMatchObject({ segments: [{ first: 1, items: 1, body: null }] });
  const [entry] = await node.store.read("accounting", {});
  expect(entry).toMatchObject({ row: { lost: 1, held: 1 }, gaps: [{ first: 1, last: 1, reason: "corrupt" }] });
});
