import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { inMemory } from "#agent/store/database.ts";
import { openNodeDatabase } from "#agent/store/node-database.ts";
import type { OwnStream } from "#agent/store/identity-operations.ts";
import type { AccountingEntry } from "#agent/store/accounting-reads.ts";
import type { StoreUsage } from "#agent/store/upkeep-operations.ts";
import type { RemovedTotal } from "#agent/store/segment-removal.ts";
import type { StoredSegment } from "#agent/store/segment-repository.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { FogbankError } from "#shared/errors.ts";
import { parseNodeName } from "#shared/ids.ts";
import { isBalanced } from "#shared/journal/ledger.ts";
import { encodeSegment, segmentFlags } from "#shared/journal/segment.ts";
import { fullPolicies, type Priority } from "#shared/journal/stream.ts";
import { limits } from "#shared/limits.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

const budgetBytes = 1_500_000;

const own = (name: string, more: Partial<OwnStream> = {}): OwnStream => ({
  name,
  priority: 2,
  class: "custody",
  order: "live-first",
  policy: "oldest",
  ...more,
});

function world(
  streams: readonly OwnStream[],
  options: { readonly isFinal?: boolean; readonly maxBytes?: number } = {},
) {
  const { isFinal = false, maxBytes = budgetBytes } = options;
  const clock = new FakeClock();
  const name = parseNodeName("node-1");
  const database = openNodeDatabase({ hasher: nodeHasher, clock }, { name, file: inMemory, maxBytes, isFinal });
  const write = (request: string, args: unknown): unknown => {
    const [outcome] = database.commit([{ name: request, args }]);
    if (outcome === undefined || "error" in outcome) throw outcome?.error;
    return outcome.value;
  };
  const fresh = { uuid: "u", epoch: 5, instance: 6 };
  const open = (of: readonly OwnStream[]): unknown =>
    write("open", { fresh, streams: of, nowMs: clock.now(), idsAbove: 0 });
  open(streams);
  const appendArgs = (streamId: number, bytes: number, items = 1) => {
    const payload = new Uint8Array(bytes / items);
    const body = encodeSegment(
      Array.from({ length: items }, () => ({ timeMs: clock.now(), topic: "/data/x", payload, retain: false })),
    );
    return { streamId, items, firstMs: clock.now(), lastMs: clock.now(), body };
  };
  const read = (request: string, args: unknown = {}): unknown => database.read({ name: request, args });
  return {
    clock,
    database,
    open,
    write,
    append: (streamId: number, bytes: number, items = 1) => write("append", appendArgs(streamId, bytes, items)),
    appendArgs,
    /** Appends until that is refused; answers with what. */
    fill(streamId: number, bytes: number): FogbankError {
      for (let count = 0; count < 10_000; count++) {
        const [outcome] = database.commit([{ name: "append", args: appendArgs(streamId, bytes) }]);
        if (outcome !== undefined && "error" in outcome && outcome.error instanceof FogbankError) return outcome.error;
      }
      throw new Error("nothing was refused");
    },
    usage: () => read("usage") as StoreUsage,
    ledger: () => read("accounting") as readonly AccountingEntry[],
    removed: () => read("removed") as readonly RemovedTotal[],
    segments: () =>
      (read("after", { id: 0, bytesMax: 1e9 }) as { readonly segments: readonly StoredSegment[] }).segments,
    batch(origin: string, priority: Priority, first: number, bytes: number, more: Partial<OwnStream> = {}) {
      const { body, items, firstMs, lastMs } = appendArgs(1, bytes);
      const traits = {
        name: "data",
        priority,
        class: "custody",
        order: "live-first",
        policy: "oldest",
        ...more,
      } as const;
      const stream = { origin, epoch: 9, streamId: 1, ...traits, high: first };
      const segment = { origin, epoch: 9, streamId: 1, first, items, firstMs, lastMs, flags: 0, gap: undefined };
      const segments = [{ ...segment, crc: nodeHasher.crc32(body), body }];
      return { child: origin, batch: { streams: [stream], lows: [], segments }, nowMs: clock.now() };
    },
  };
}

type World = ReturnType<typeof world>;

function row(node: World, stream: string, origin = "node-1") {
  const found = node.ledger().find((entry) => entry.row.stream === stream && entry.row.origin === origin);
  if (found === undefined) throw new Error(`there is no stream ${stream}`);
  return found;
}

test("oldest: the head goes, named as lost in one gap that travels up, and the budget holds [O7]", () => {
  const node = world([own("data")]);
  for (let count = 0; count < 200; count++) node.append(1, 20_000);
  const { row: ledger, gaps } = row(node, "data");
  expect(ledger).toMatchObject({ high: 200, lost: 200 - ledger.held });
  expect(ledger.held).toBeGreaterThan(50);
  expect(isBalanced(ledger)).toBe(true);
  expect(gaps).toEqual([{ first: 1, last: ledger.lost, reason: "evicted" }]);
  const [gap, ...segments] = node.segments().toSorted((a, b) => a.first - b.first);
  expect(gap).toMatchObject({ first: 1, items: ledger.lost, body: null, gap: { reasonCode: 1 } });
  expect(segments).toHaveLength(ledger.held);
  expect(node.usage().usedBytes).toBeLessThanOrEqual(budgetBytes);
  expect(node.usage().full).toBe(false);
  expect(node.removed()).toMatchObject([
    { node: "node-1", stream: "data", reason: "evicted", messages: ledger.lost, segments: ledger.lost },
  ]);
});

test("the least important goes first, and only for what is at least as important", () => {
  const node = world([own("alarms", { priority: 0 }), own("data"), own("bulk", { priority: 3 })]);
  for (let count = 0; count < 30; count++) for (const streamId of [1, 2, 3]) node.append(streamId, 10_000);
  for (let count = 0; count < 14; count++) node.append(1, 40_000);
  expect(row(node, "alarms").row.lost).toBe(0);
  expect(row(node, "data").row.lost).toBe(0);
  expect(row(node, "bulk").row.lost).toBeGreaterThan(5);
  for (let count = 0; count < 40; count++) node.append(1, 40_000);
  expect(row(node, "bulk").row.held).toBe(0);
  expect(row(node, "data").row.held).toBe(0);
  expect(row(node, "alarms").row.held).toBeGreaterThan(20);
  // The node is full of alarms now: telemetry pushes none of them out.
  const held = row(node, "alarms").row.held;
  expect(node.fill(2, 100_000).message).toContain("nothing may give way for it");
  expect(row(node, "alarms").row.held).toBe(held);
});

test("a stream within its share is not pushed out by another of the same priority that is beyond its own", () => {
  const node = world([own("quiet", { share: 1 }), own("loud", { share: 3 })]);
  for (let count = 0; count < 5; count++) node.append(1, 20_000);
  for (let count = 0; count < 300; count++) node.append(2, 20_000);
  expect(row(node, "quiet").row).toMatchObject({ held: 5, lost: 0 });
  for (let count = 0; count < 100; count++) node.append(1, 20_000);
  const [quiet, loud] = [row(node, "quiet").row.held, row(node, "loud").row.held];
  expect(loud / quiet).toBeGreaterThan(2);
  expect(loud / quiet).toBeLessThan(4);
});

test("newest: what is new is refused, what is there stays, and room that was made by an acknowledgement is taken", () => {
  const node = world([own("data", { policy: "newest" })]);
  const refusal = node.fill(1, 20_000);
  expect(refusal).toMatchObject({ code: "FOGBANK_STORE_FULL" });
  expect(refusal.message).toContain("could not store a message: the database has reached its limit of ");
  const { row: ledger } = row(node, "data");
  expect(ledger).toMatchObject({ lost: 0, held: ledger.high });
  expect(node.usage().full).toBe(true);
  node.write("forget", { acked: [{ origin: "node-1", epoch: 5, streamId: 1, ranges: [[1, 20]] }] });
  expect(node.append(1, 20_000)).toMatchObject({ first: ledger.high + 1 });
  expect(node.usage().full).toBe(false);
});

test("decimate: from 80 % on it is thinned out, old times sparser than new ones, and nothing is refused", () => {
  const node = world([own("data", { policy: "decimate" })]);
  for (let count = 0; count < 600; count++) node.append(1, 10_000);
  const { row: ledger, gaps } = row(node, "data");
  expect(isBalanced(ledger)).toBe(true);
  expect(node.usage().usedBytes).toBeLessThan(budgetBytes * 0.85);
  const firsts = node
    .segments()
    .flatMap(({ first, body }) => (body === null ? [] : [first]))
    .toSorted((a, b) => a - b);
  expect(firsts[0]).toBe(1);
  const early = firsts.filter((first) => first <= 300).length;
  const late = firsts.filter((first) => first > 300).length;
  expect(late).toBeGreaterThan(early);
  expect(gaps.length).toBeGreaterThan(5);
});

test("ttl: what is too old goes when there is no room; while nothing is, what is new is refused", async () => {
  const node = world([own("data", { policy: "ttl", maxAgeMs: 60_000 })]);
  for (let count = 0; count < 10; count++) node.append(1, 20_000);
  await node.clock.advance(40_000);
  expect(node.fill(1, 20_000)).toMatchObject({ code: "FOGBANK_STORE_FULL" });
  expect(row(node, "data").row.lost).toBe(0);
  await node.clock.advance(21_000);
  expect(node.fill(1, 20_000)).toMatchObject({ code: "FOGBANK_STORE_FULL" });
  expect(row(node, "data")).toMatchObject({ row: { lost: 10 }, gaps: [{ first: 1, last: 10, reason: "expired" }] });
});

test("max-bytes bounds one stream by its own policy and leaves the others alone", () => {
  const maxBytes = 300_000;
  const node = world([own("old", { maxBytes }), own("new", { policy: "newest", maxBytes }), own("free")]);
  for (let count = 0; count < 50; count++) node.append(1, 20_000);
  expect(row(node, "old").row.heldBytes).toBeLessThanOrEqual(maxBytes);
  expect(row(node, "old").row.held).toBeGreaterThan(10);
  const refusal = node.fill(2, 20_000);
  expect(refusal.message).toBe('could not store a message: the stream "new" has reached its max-bytes of 300000');
  expect(row(node, "new").row).toMatchObject({ lost: 0 });
  node.append(3, 20_000);
  expect(row(node, "free").row).toMatchObject({ held: 1 });
  expect(node.usage().full).toBe(false);
});

test("what is larger than its stream may become is refused before anything gives way for it; the rest of the commit is stored", () => {
  const node = world([own("data", { maxBytes: 300_000 })]);
  for (let count = 0; count < 5; count++) node.append(1, 50_000);
  const sizes = [400_000, 10_000];
  const outcomes = node.database.commit(sizes.map((bytes) => ({ name: "append", args: node.appendArgs(1, bytes) })));
  expect(outcomes).toMatchObject([
    { error: { message: expect.stringContaining("keeps at most 300000") } },
    { value: {} },
  ]);
  expect(row(node, "data").row).toMatchObject({ held: 6, lost: 0 });
});

test("[O7] a deflated body weighs what it is stored with: room is made for that", () => {
  const node = world([own("data")]);
  const room = budgetBytes * (1 - limits.journalReserveShare) * (1 - limits.urgentRoomShare);
  while (node.usage().usedBytes < room - 50_000) node.append(1, 20_000);
  const args = node.batch("pump-1", 2, 1, 200_000);
  const segments = args.batch.segments.map((segment) => {
    return { ...segment, body: deflateRawSync(segment.body), flags: segmentFlags.deflate };
  });
  node.write("ingest", { ...args, batch: { ...args.batch, segments } });
  expect(row(node, "data", "pump-1").row).toMatchObject({ held: 1, lost: 0 });
  expect(row(node, "data", "pump-1").row.heldBytes).toBeGreaterThan(200_000);
  expect(node.usage().usedBytes).toBeLessThanOrEqual(room);
});

test("bounds are those of the last start, not of the first", () => {
  const node = world([own("data", { policy: "newest", maxBytes: 300_000 })]);
  node.fill(1, 20_000);
  node.open([own("data", { policy: "newest" })]);
  expect(node.append(1, 20_000)).toMatchObject({ first: 15 });
});

test("what has no room even then is refused, and nothing is given up for it", () => {
  const node = world([own("data")]);
  for (let count = 0; count < 10; count++) node.append(1, 20_000);
  expect(() => node.append(1, 2_000_000)).toThrow("nothing may give way for it");
  expect(row(node, "data").row).toMatchObject({ held: 10, lost: 0 });
});

test("telemetry that gives no way leaves room for alarms, and says for what", () => {
  const node = world([
    own("alarms", { priority: 0, policy: "newest" }),
    own("bulk", { priority: 3, policy: "newest" }),
  ]);
  expect(node.fill(2, 2_000).message).toContain("but for what is kept for priority P0");
  for (let count = 0; count < 10; count++) node.append(1, 2_000);
  expect(row(node, "alarms").row).toMatchObject({ held: 10, lost: 0 });
  expect(row(node, "bulk").row.lost).toBe(0);
  expect(node.fill(1, 2_000).message).not.toContain("P0");
});

test("in one commit the important come first, whoever has no room is refused, and the rest is stored", () => {
  const node = world([
    own("alarms", { priority: 0, policy: "newest" }),
    own("bulk", { priority: 3, policy: "newest" }),
  ]);
  node.fill(2, 20_000);
  const free = 60_000;
  node.write("forget", { acked: [{ origin: "node-1", epoch: 5, streamId: 2, ranges: [[1, 3]] }] });
  const outcomes = node.database.commit([
    { name: "append", args: node.appendArgs(2, free) },
    { name: "append", args: node.appendArgs(1, free) },
    { name: "moveCursor", args: { cursor: "sink", id: 1 } },
  ]);
  expect(outcomes.map((outcome) => "value" in outcome)).toEqual([false, true, true]);
});

test("small segments are given up a thousand at a time, until there is room", () => {
  const node = world([own("data"), own("alarms", { priority: 0 })], { maxBytes: 1_100_000 });
  for (let count = 0; count < 2_600; count++) node.append(1, 100);
  const before = row(node, "data").row.held;
  for (let count = 0; count < 4; count++) node.append(2, 200_000);
  expect(before - row(node, "data").row.held).toBeGreaterThan(1_000);
  expect(row(node, "alarms").row.held).toBe(4);
  expect(row(node, "data").gaps).toHaveLength(1);
});

test("queues of sessions that fill the file cost the journal nothing: what is new is refused", () => {
  const node = world([own("data")]);
  node.append(1, 20_000);
  const retained = Array.from({ length: 13 }, (_, index) => ({
    topic: `t/${index}`,
    message: new Uint8Array(100_000),
  }));
  for (const change of retained) node.write("sessions", { changes: [], spools: [], retained: [change] });
  expect(() => node.append(1, 200_000)).toThrow("nothing may give way for it");
  expect(row(node, "data").row).toMatchObject({ held: 1, lost: 0 });
});

test("a fog gives up what is least important of whom, by the policy that the streams carry, its own included", () => {
  const node = world([own("data")]);
  for (let number = 1; number <= 30; number++) node.write("ingest", node.batch("bulk-1", 3, number, 20_000));
  for (let number = 1; number <= 30; number++) node.write("ingest", node.batch("pump-1", 2, number, 20_000));
  for (let count = 0; count < 20; count++) node.append(1, 20_000);
  expect(row(node, "data", "bulk-1").row.lost).toBeGreaterThan(5);
  expect(row(node, "data", "pump-1").row).toMatchObject({ lost: 0, held: 30 });
  for (const { row: ledger } of node.ledger()) expect(isBalanced(ledger)).toBe(true);
  expect(node.usage().full).toBe(false);
});

test("a fog full of final messages that the parent has takes in those that the root's mark waits for, and names none as lost", () => {
  const node = world([]);
  const final = { class: "final", policy: "newest" } as const;
  const take = (number: number): unknown => node.write("ingest", node.batch("pump-1", 2, number, 20_000, final));
  let last = 10;
  expect(() => {
    for (;;) take(++last);
  }).toThrow("nothing may give way for it");
  expect(node.usage()).toMatchObject({ full: true, yields: false });
  const acked = { origin: "pump-1", epoch: 9, streamId: 1, ranges: [[11, last - 1]] };
  node.write("forget", { acked: [acked] });
  expect(node.usage()).toMatchObject({ full: false, yields: true });
  for (let number = 1; number <= 10; number++) take(number);
  const { row: ledger } = row(node, "data", "pump-1");
  expect(ledger).toMatchObject({ lost: 0, held: last - 1 - ledger.delivered });
  expect(ledger.delivered).toBeGreaterThan(0);
  expect(isBalanced(ledger)).toBe(true);
  expect(
    node
      .segments()
      .slice(-10)
      .map(({ first }) => first),
  ).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test("a node's own final messages stay until the root has them, however full it is", () => {
  const node = world([own("data", { class: "final", policy: "newest" })]);
  node.fill(1, 20_000);
  const { high } = row(node, "data").row;
  node.write("forget", { acked: [{ origin: "node-1", epoch: 5, streamId: 1, ranges: [[1, high]] }] });
  expect(() => node.append(1, 20_000)).toThrow("nothing may give way for it");
  expect(row(node, "data").row).toMatchObject({ held: high, handed: high, delivered: 0, lost: 0 });
});

test("class final: what a node keeps for those below it never gives way, or the root's mark would pass it at the origin too", () => {
  const node = world([own("data")]);
  const ingest = (number: number): void => {
    const { batch, ...rest } = node.batch("pump-1", 3, number, 20_000);
    const streams = batch.streams.map((stream) => ({ ...stream, class: "final" as const }));
    node.write("ingest", { ...rest, batch: { ...batch, streams } });
  };
  expect(() => {
    for (let number = 1; number < 1_000; number++) ingest(number);
  }).toThrow("could not take in data of pump-1");
  const { held } = row(node, "data", "pump-1").row;
  expect(row(node, "data", "pump-1").row).toMatchObject({ held, lost: 0, high: held });
  expect(node.usage()).toMatchObject({ full: true, yields: false });
});

test("a root holds back what comes from below instead of losing some of it; its own messages go by their policy", () => {
  const node = world([own("data")], { isFinal: true });
  for (let count = 0; count < 5; count++) node.append(1, 20_000);
  const refuse = (): void => {
    for (let number = 1; number < 1_000; number++) node.write("ingest", node.batch("pump-1", 2, number, 20_000));
  };
  expect(refuse).toThrow("could not take in data of pump-1: the database has reached its limit");
  const { held } = row(node, "data", "pump-1").row;
  expect(row(node, "data", "pump-1").row.lost).toBe(0);
  for (let count = 0; count < 20; count++) node.append(1, 2_000);
  expect(row(node, "data", "pump-1").row).toMatchObject({ held, lost: 0 });
  expect(row(node, "data").row.lost).toBeGreaterThan(0);
  expect(node.usage().full).toBe(true);
});

test("at a root nothing is named as lost that the document store may have already", () => {
  const node = world([own("data")], { isFinal: true });
  for (let count = 0; count < 5; count++) node.append(1, 20_000);
  node.database.read({ name: "after", args: { id: 0, bytesMax: 60_000, drains: true } });
  for (let count = 0; count < 200; count++) node.append(1, 20_000);
  expect(row(node, "data").gaps[0]?.first).toBeGreaterThan(2);
});

test("[O3] [O7] whatever is appended, taken in, handed on and expires: ledgers sum, the budget holds, nobody more important gives way", () => {
  const stream = fc.record({
    priority: fc.constantFrom<Priority[]>(0, 1, 2, 3),
    policy: fc.constantFrom(...fullPolicies),
    share: fc.integer({ min: 1, max: 3 }),
    maxAgeMs: fc.constantFrom(50, 500),
    maxBytes: fc.constantFrom(300_000, 1_000_000),
  });
  const step = fc.tuple(
    fc.constantFrom("append", "append", "append", "ingest", "forget", "expire"),
    fc.nat(3),
    fc.integer({ min: 1, max: 60_000 }),
  );
  fc.assert(
    fc.property(
      fc.array(stream, { minLength: 1, maxLength: 4 }),
      fc.array(step, { minLength: 30, maxLength: 120 }),
      (streams, steps) => {
        const node = world(streams.map((traits, index) => own(`s${index}`, traits)));
        let number = 0;
        for (const [what, pick, bytes] of steps) {
          const at = pick % streams.length;
          const lostBefore = new Map(
            node.ledger().map(({ row: ledger }) => [`${ledger.origin} ${ledger.stream}`, ledger.lost]),
          );
          const priority: Priority = what === "append" ? (streams[at]?.priority ?? 0) : 2;
          const request =
            what === "append"
              ? { name: "append", args: node.appendArgs(at + 1, bytes) }
              : what === "ingest"
                ? { name: "ingest", args: node.batch("pump-1", 2, ++number, bytes) }
                : what === "expire"
                  ? { name: "expire", args: { nowMs: node.clock.now() + bytes } }
                  : {
                      name: "forget",
                      args: { acked: [{ origin: "node-1", epoch: 5, streamId: at + 1, ranges: [[1, bytes]] }] },
                    };
          node.database.commit([request]);
          expect(node.usage().usedBytes).toBeLessThanOrEqual(budgetBytes);
          for (const { row: ledger } of node.ledger()) {
            expect(isBalanced(ledger)).toBe(true);
            const grew = ledger.lost > (lostBefore.get(`${ledger.origin} ${ledger.stream}`) ?? 0);
            const rank = ledger.origin === "node-1" ? (streams[Number(ledger.stream.slice(1))]?.priority ?? 0) : 2;
            if (grew && what !== "expire") expect(rank).toBeGreaterThanOrEqual(priority);
          }
        }
      },
    ),
    { numRuns: 25 },
  );
});

test("bodies that were put aside as poison give way before any message", () => {
  const { append, write, usage, removed, segments, clock } = world([own("data")]);
  append(1, 90_000);
  write("quarantine", { origin: "node-1", epoch: 5, streamId: 1, first: 1, reason: "corrupt", nowMs: clock.now() });
  expect(usage().usedBytes).toBeGreaterThan(90_000);
  const held = (): number => segments().filter(({ body }) => body !== null).length;
  /** Answers how many messages it took until something gave way. */
  const appendUntilRoomIsMade = (): number => {
    for (let count = 1; count < 1_000; count++) {
      const before = usage().usedBytes;
      append(1, 5_000);
      if (usage().usedBytes < before) return count;
    }
    throw new Error("nothing gave way");
  };
  const stored = appendUntilRoomIsMade();
  expect(removed()).toEqual([]);
  expect(held()).toBe(stored);
  const more = appendUntilRoomIsMade();
  expect(removed()).toMatchObject([{ reason: "evicted" }]);
  expect(held()).toBeLessThan(stored + more);
});

test("a step takes no more than its bound", () => {
  const node = world([own("data")], { maxBytes: 1_100_000 });
  for (let count = 0; count < 2_600; count++) node.append(1, 100);
  const demand = { node: "node-1", epoch: 5, streamId: 1, priority: 2, policy: "oldest", bytes: 900_000 } as const;
  expect(node.write("evict", { demands: [{ ...demand, attempted: "store" }] })).toBe(limits.upkeepSegments);
});
