// Old epochs are forgotten when they are complete and nobody has spoken of them for long.
import { expect, test } from "vitest";
import { inMemory, openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { createNodeOperations } from "#agent/store/node-operations.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeSegment } from "#shared/journal/segment.ts";

const day = 24 * 3_600_000;
const traits = { priority: 2, class: "custody", order: "live-first", policy: "oldest" } as const;

function world(isFinal = true) {
  const database = openDatabase(inMemory, { migrations: nodeMigrations, cacheBytes: 1_000_000 });
  const { writes, reads } = createNodeOperations(database, parseNodeName("node-1"), nodeHasher, { isFinal });
  const open = (epoch: number, nowMs: number, file = "disk") =>
    writes.open({
      fresh: { uuid: "u", epoch, instance: 6 },
      fingerprint: { bootId: "boot", file, birth: undefined },
      streams: [{ name: "data", ...traits }],
      nowMs,
      idsAbove: 0,
    });
  open(5, 0);
  const item = { timeMs: 9, topic: "/data/x", payload: Uint8Array.of(1), retain: false };
  const body = encodeSegment([item, item]);
  /** Two messages of a life of pump-1 come. */
  const take = (epoch: number, nowMs: number) => {
    const stream = { origin: "pump-1", epoch, streamId: 1, name: "data", high: 2, ...traits };
    const numbers = { origin: "pump-1", epoch, streamId: 1, first: 1, items: 2, firstMs: 9, lastMs: 9, flags: 0 };
    const segment = { ...numbers, crc: nodeHasher.crc32(body), body, gap: undefined };
    writes.ingest({ child: "pump-1", batch: { streams: [stream], lows: [], segments: [segment] }, nowMs });
  };
  const handOn = (origin: string, epoch: number) =>
    writes.forget({ acked: [{ origin, epoch, streamId: 1, ranges: [[1, 2]] }] });
  const forget = (nowMs: number) => writes.forgetEpochs({ nowMs }).map(({ origin, epoch }) => `${origin} ${epoch}`);
  const known = () => reads.accounting({}).map(({ row }) => `${row.origin} ${row.epoch}`);
  return { writes, reads, open, take, handOn, forget, known, body };
}

test("what other nodes had is never forgotten here: a clock that is wrong must not make anything look missing", () => {
  for (const isFinal of [false, true]) {
    const { take, handOn, forget, known } = world(isFinal);
    take(7, 0);
    handOn("pump-1", 7);
    take(8, day);
    expect(forget(100_000 * day)).toEqual([]);
    expect(known()).toEqual(["node-1 5", "pump-1 7", "pump-1 8"]);
  }
});

test("what is not complete stays: messages that are held, gaps that are to be handed on", () => {
  const { writes, open, forget, body, handOn } = world(false);
  writes.append({ streamId: 1, items: 2, firstMs: 9, lastMs: 9, body });
  open(6, day, "another disk");
  expect(forget(1_000 * day)).toEqual([]);
  writes.quarantine({ origin: "node-1", epoch: 5, streamId: 1, first: 1, reason: "corrupt", nowMs: 1 });
  expect(forget(1_000 * day)).toEqual([]);
  handOn("node-1", 5);
  expect(forget(1_000 * day)).toEqual([]); // its body is still put aside
});

test("own old epochs go after 400 days, and the present one never", () => {
  const { writes, open, handOn, forget, known, body } = world(false);
  writes.append({ streamId: 1, items: 2, firstMs: 9, lastMs: 9, body });
  handOn("node-1", 5);
  open(6, day, "another disk");
  expect(forget(400 * day)).toEqual([]);
  expect(forget(400 * day + 1)).toEqual(["node-1 5"]);
  expect(known()).toEqual(["node-1 6"]);
  expect(forget(10_000 * day)).toEqual([]);
});
