import { expect, test } from "vitest";
import { inMemory, openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { createNodeOperations } from "#agent/store/node-operations.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { isBalanced } from "#shared/journal/ledger.ts";
import { encodeSegment } from "#shared/journal/segment.ts";

const traits = { priority: 2, class: "custody", order: "live-first", policy: "newest" } as const;

/** The first stream keeps its messages for a second, the second for ever. */
function world() {
  const database = openDatabase(inMemory, { migrations: nodeMigrations, cacheBytes: 1_000_000 });
  const { writes, reads } = createNodeOperations(database, parseNodeName("node-1"), nodeHasher, { isFinal: true });
  const restarted = (idsAbove: number) => {
    const again = createNodeOperations(database, parseNodeName("node-1"), nodeHasher, { isFinal: true });
    again.writes.open({ fresh, streams, nowMs: 1, idsAbove });
    return again.writes;
  };
  const fresh = { uuid: "u", epoch: 5, instance: 6 };
  const streams = [
    { name: "short", ...traits, maxAgeMs: 1_000 },
    { name: "long", ...traits },
  ];
  writes.open({ fresh, streams, nowMs: 1, idsAbove: 0 });
  return {
    writes,
    restarted,
    append: (streamId: number, timeMs: number, count = 1) => {
      const body = encodeSegment([{ timeMs, topic: "t", payload: Uint8Array.of(1), retain: false }]);
      for (let left = count; left > 0; left--)
        writes.append({ streamId, items: 1, firstMs: timeMs, lastMs: timeMs, body });
    },
    entries: () => reads.accounting({}),
  };
}

test("what is older than its stream allows goes, with any policy, as a gap of its own reason", () => {
  const { writes, append, entries } = world();
  for (const timeMs of [100, 200, 300]) append(1, timeMs);
  append(2, 100);
  // The gap is a row of its own: whoever waits for new ones hears of it.
  expect(writes.expire({ nowMs: 1_250 })).toEqual({ more: false, newestId: 5 });
  expect(writes.expire({ nowMs: 1_250 })).toEqual({ more: false, newestId: 0 });
  expect(entries()).toMatchObject([
    { row: { stream: "short", lost: 2, held: 1 }, gaps: [{ first: 1, last: 2, reason: "expired" }] },
    { row: { stream: "long", lost: 0, held: 1 } },
  ]);
  for (const { row } of entries()) expect(isBalanced(row)).toBe(true);
});

test("a message of the future pins nothing that stands behind it", () => {
  const { writes, append, entries } = world();
  for (const timeMs of [9_000_000, 200, 300, 5_000]) append(1, timeMs);
  writes.expire({ nowMs: 5_100 });
  expect(entries()[0]).toMatchObject({ row: { held: 2 }, gaps: [{ first: 2, last: 3 }] });
});

test("a long backlog goes in portions, until nothing is too old", () => {
  const { writes, append, entries } = world();
  append(1, 100, 2_500);
  const portions: number[] = [];
  for (let more = true; more;) {
    ({ more } = writes.expire({ nowMs: 5_000 }));
    portions.push(entries()[0]?.row.lost ?? 0);
  }
  expect(portions.slice(0, 3)).toEqual([1_000, 2_000, 2_500]);
});

test("at a root that was started anew, what the document store may have is not too old; what it cannot have is", () => {
  const { restarted, append, entries } = world();
  for (const timeMs of [100, 200, 300]) append(1, timeMs);
  restarted(2).expire({ nowMs: 5_000 });
  expect(entries()[0]).toMatchObject({ row: { lost: 1, held: 2 }, gaps: [{ first: 3, last: 3 }] });
  expect(entries()[0]?.gaps).toHaveLength(1);
});
