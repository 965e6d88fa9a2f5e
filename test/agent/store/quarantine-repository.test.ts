import { expect, test } from "vitest";
import { inMemory, openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { createNodeOperations } from "#agent/store/node-operations.ts";
import { QuarantineRepository } from "#agent/store/quarantine-repository.ts";
import type { StoredSegment } from "#agent/store/segment-repository.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { isBalanced } from "#shared/journal/ledger.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import { limits } from "#shared/limits.ts";

function database() {
  return openDatabase(inMemory, { migrations: nodeMigrations, cacheBytes: 1_000_000 });
}

function segment(first: number, body: Uint8Array): StoredSegment {
  const place = { id: first, origin: "device-1", epoch: 9, streamId: 1, first, items: 1, firstMs: 1, lastMs: 1 };
  return { ...place, clock: 0, flags: 0, crc: 7, body, gap: undefined };
}

const key = { origin: 1, stream: 1 };

test("the newest are kept, at most so many", () => {
  const file = database();
  const repository = new QuarantineRepository(file, 1e12);
  const count = limits.quarantinedSegments + 5;
  for (let first = 1; first <= count; first++) repository.keep(key, segment(first, Uint8Array.of(first)), 3, 100);
  const rows = file.prepare("SELECT first, reason, crc, at_ms AS atMs, body FROM quarantine ORDER BY id").all();
  expect(rows).toHaveLength(limits.quarantinedSegments);
  expect(rows[0]).toMatchObject({ first: 6, reason: 3, crc: 7, atMs: 100, body: Uint8Array.of(6) });
});

test("large ones are kept as far as their bytes go, and a gap has nothing to keep", () => {
  const file = database();
  const repository = new QuarantineRepository(file, 1e12);
  const bytes = limits.quarantinedBytes / 4;
  for (let first = 1; first <= 6; first++) repository.keep(key, segment(first, new Uint8Array(bytes)), 3, 100);
  repository.keep(key, { ...segment(7, new Uint8Array(0)), body: null }, 3, 100);
  const firsts = file.prepare("SELECT first FROM quarantine ORDER BY id").all();
  expect(firsts.map((row) => row["first"])).toEqual([3, 4, 5, 6]);
});

test("of a small database they take a sixteenth", () => {
  const file = database();
  const repository = new QuarantineRepository(file, 16_000);
  for (let first = 1; first <= 6; first++) repository.keep(key, segment(first, new Uint8Array(300)), 3, 100);
  expect(repository.bytes()).toBe(900);
  repository.keep(key, segment(7, new Uint8Array(1_001)), 3, 100);
  expect(repository.bytes()).toBe(0);
  expect(repository.removeOldest()).toBe(false);
});

test("[O9] what is given up as poison is kept aside, named as lost with its reason, and stands in nobody's way", () => {
  const file = database();
  const { writes, reads } = createNodeOperations(file, parseNodeName("device-1"), nodeHasher);
  const traits = { priority: 2, class: "custody", order: "live-first", policy: "oldest" } as const;
  writes.open({
    fresh: { uuid: "u", epoch: 9, instance: 6 },
    streams: [{ name: "data", ...traits }],
    nowMs: 1,
    idsAbove: 0,
  });
  for (let number = 1; number <= 3; number++) {
    const body = encodeSegment([{ timeMs: number, topic: "t", payload: Uint8Array.of(number), retain: false }]);
    writes.append({ streamId: 1, items: 1, firstMs: number, lastMs: number, body });
  }
  const poison = { origin: "device-1", epoch: 9, streamId: 1, first: 2, reason: "rejected", nowMs: 50 } as const;
  expect(writes.quarantine(poison).messages).toBe(1);
  expect(writes.quarantine(poison).messages).toBe(0);
  const [entry] = reads.accounting({});
  expect(entry).toMatchObject({ row: { held: 2, lost: 1 }, gaps: [{ first: 2, last: 2, reason: "rejected" }] });
  expect(entry !== undefined && isBalanced(entry.row)).toBe(true);
  const { segments } = reads.after({ id: 0, bytesMax: 1e6 });
  expect(segments.map(({ first, body }) => [first, body === null])).toEqual([
    [1, false],
    [3, false],
    [2, true],
  ]);
});

test("[O9] in a full file poison is given up all the same: what is left there may wait for it", () => {
  const file = openDatabase(inMemory, { migrations: nodeMigrations, cacheBytes: 1_000_000, maxBytes: 1_000_000 });
  const { writes, reads } = createNodeOperations(file, parseNodeName("device-1"), nodeHasher);
  const traits = { priority: 2, class: "final", order: "live-first", policy: "newest" } as const;
  const fresh = { uuid: "u", epoch: 9, instance: 6 };
  writes.open({ fresh, streams: [{ name: "data", ...traits }], nowMs: 1, idsAbove: 0 });
  const item = { timeMs: 1, topic: "t", payload: new Uint8Array(150_000), retain: false };
  const large = { streamId: 1, items: 1, firstMs: 1, lastMs: 1, body: encodeSegment([item]) };
  const fill = (): void => {
    for (;;) writes.append(large);
  };
  expect(fill).toThrow(/full|limit/);
  const poison = { origin: "device-1", epoch: 9, streamId: 1, first: 1, reason: "corrupt", nowMs: 50 } as const;
  expect(writes.quarantine(poison).messages).toBe(1);
  expect(reads.accounting({})[0]?.row).toMatchObject({ lost: 1 });
  file.close();
});
