// Class final in the store: nothing goes before the root's mark has passed it, whatever is acknowledged, repeated or lost on the way.
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { createNodeOperations } from "#agent/store/node-operations.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { isBalanced } from "#shared/journal/ledger.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import type { Priority } from "#shared/journal/stream.ts";

const self = { origin: "device-1", epoch: 5, streamId: 1 };

function open(isFinal: boolean): {
  readonly node: ReturnType<typeof createNodeOperations>;
  readonly database: DatabaseSync;
} {
  const database = openDatabase(":memory:", { migrations: nodeMigrations, cacheBytes: 1_000_000 });
  const node = createNodeOperations(database, parseNodeName("device-1"), nodeHasher, { isFinal });
  const streams = [{ name: "alarms", priority: 0, class: "final", order: "strict", policy: "newest" }] as const;
  node.writes.open({ fresh: { uuid: "u", epoch: 5, instance: 6 }, streams, nowMs: 1, idsAbove: 0 });
  return { node, database };
}

function append(node: ReturnType<typeof createNodeOperations>, items: number): void {
  const item = { timeMs: 1, topic: "/data/x", payload: Uint8Array.of(1), retain: false };
  const body = encodeSegment(Array.from({ length: items }, () => item));
  node.writes.append({ streamId: 1, items, firstMs: 1, lastMs: 1, body });
}

const step = fc.oneof(
  fc.record({ what: fc.constant("append" as const), a: fc.integer({ min: 1, max: 4 }), b: fc.constant(0) }),
  fc.record({
    what: fc.constantFrom("acknowledge" as const, "mark" as const),
    a: fc.integer({ min: 1, max: 30 }),
    b: fc.nat(10),
  }),
  fc.record({ what: fc.constant("meet" as const), a: fc.integer({ min: 1, max: 3 }), b: fc.constant(0) }),
);

test("[O3] [O5] what the parent has and the mark has passed is delivered, as far as whole segments go; all else is held", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { node, database } = open(false);
      const segments: { first: number; last: number; isHanded: boolean; isGone: boolean }[] = [];
      let mark = 0;
      let instance = 0;
      for (const { what, a, b } of steps) {
        const high = segments.at(-1)?.last ?? 0;
        if (what === "append") {
          append(node, a);
          segments.push({ first: high + 1, last: high + a, isHanded: false, isGone: false });
        } else if (what === "acknowledge") {
          node.writes.forget({ acked: [{ ...self, ranges: [[a, a + b]] }] });
          for (const one of segments) if (a <= one.first && one.last <= a + b) one.isHanded = true;
        } else if (what === "mark") {
          node.writes.settleFinal({ marks: [{ ...self, fin: a }] });
          mark = Math.max(mark, Math.min(a, high));
        } else {
          node.writes.meet({ parent: "fog-1", instance: a });
          if (a !== instance) for (const one of segments) one.isHanded = one.isGone;
          instance = a;
        }
        for (const one of segments) one.isGone ||= one.isHanded && one.last <= mark;
        const row = node.reads.accounting({})[0]?.row;
        const gone = segments.filter(({ isGone }) => isGone);
        const delivered = gone.reduce((sum, { first, last }) => sum + last - first + 1, 0);
        const given = segments.at(-1)?.last ?? 0;
        expect(row).toMatchObject({ high: given, delivered, held: given - delivered });
        expect(row !== undefined && isBalanced(row)).toBe(true);
        expect(row?.handed ?? 0).toBeLessThanOrEqual(row?.held ?? 0);
      }
      database.close();
    }),
    { numRuns: 60 },
  );
});

test("another database of the parent has nothing: all that is held is read for sending again", () => {
  const { node, database } = open(false);
  append(node, 3);
  let generation = 0;
  const isReadable = () => {
    const priorities = [0, 1].map((priority) => ({ priority: priority as Priority, bytes: 1e6 }));
    const frame = { lane: "control", generation: ++generation, choices: priorities, idMax: 1e9 } as const;
    const rest = {
      session: 1,
      crowded: [],
      acked: [],
      deflate: false,
      nowMs: 0,
      stamps: { offsetMs: 0, synced: true },
    };
    return node.reads.outgoing({ ...frame, ...rest }).found !== null;
  };
  expect(node.writes.meet({ parent: "fog-1", instance: 1 }).isOther).toBe(true);
  node.writes.forget({ acked: [{ ...self, ranges: [[1, 3]] }] });
  expect(node.writes.meet({ parent: "fog-1", instance: 1 }).isOther).toBe(false);
  expect(isReadable()).toBe(false);
  expect(node.writes.meet({ parent: "fog-1", instance: 2 }).isOther).toBe(true);
  expect(isReadable()).toBe(true);
  database.close();
});

test("R3 a parent that lacks what it has acknowledged is an older copy, though it says that it is the same: it goes again", () => {
  const { node, database } = open(false);
  append(node, 3);
  node.writes.meet({ parent: "fog-1", instance: 1 });
  node.writes.forget({ acked: [{ ...self, ranges: [[1, 3]] }] });
  const { epoch, streamId } = self;
  const meet = (ranges: readonly (readonly [number, number])[]) =>
    node.writes.meet({ parent: "fog-1", instance: 1, holds: [{ epoch, streamId, ranges }] }).isOther;
  const handed = () => node.reads.accounting({})[0]?.row.handed;
  expect([meet([[1, 3]]), handed()]).toEqual([false, 3]);
  expect([meet([[3, 3]]), handed()]).toEqual([true, 0]);
  database.close();
});

test("what comes late, by another way than the one by which the root has it, goes with the parent's acknowledgement, and is not sent for ever", () => {
  const { node, database } = open(false);
  const body = encodeSegment(
    [1, 2].map(() => ({ timeMs: 1, topic: "/data/x", payload: Uint8Array.of(1), retain: false })),
  );
  const stream = { origin: "device-2", epoch: 9, streamId: 1 };
  const described = {
    ...stream,
    name: "alarms",
    priority: 0,
    class: "final",
    order: "strict",
    policy: "newest",
  } as const;
  const come = (first: number): void => {
    const times = { firstMs: 1, lastMs: 1, flags: 0, crc: nodeHasher.crc32(body), gap: undefined };
    const segments = [{ ...stream, first, items: 2, body, ...times }];
    const relays = [parseNodeName("device-2")];
    const batch = { streams: [{ ...described, high: 4 }], lows: [], segments, relays };
    node.writes.ingest({ child: "fog-2", batch, nowMs: 1 });
  };
  const held = () => node.reads.accounting({ origin: "device-2" })[0]?.row;
  come(3);
  node.writes.forget({ acked: [{ ...stream, ranges: [[3, 4]] }] });
  node.writes.settleFinal({ marks: [{ ...stream, fin: 4 }] });
  expect(held()).toMatchObject({ delivered: 2, held: 0 });
  come(1);
  expect(held()).toMatchObject({ delivered: 2, held: 2 });
  node.writes.forget({ acked: [{ ...stream, ranges: [[1, 2]] }] });
  expect(held()).toMatchObject({ delivered: 4, held: 0, handed: 0 });
  database.close();
});

test("a mark that comes before the messages that it has passed is kept for them", () => {
  const { node, database } = open(false);
  const [origin, relays] = ["device-2", [parseNodeName("device-2")]];
  const stream = { origin, epoch: 9, streamId: 1 };
  const traits = { name: "alarms", priority: 0, class: "final", order: "strict", policy: "newest" } as const;
  const row = () => node.reads.accounting({ origin })[0]?.row;
  const hear = (high: number) =>
    node.writes.hear({ child: "fog-2", streams: [{ ...stream, ...traits, high }], lows: [], below: relays, nowMs: 1 });
  hear(0);
  node.writes.settleFinal({ marks: [{ ...stream, fin: 2 }] });
  hear(2);
  expect(row()).toMatchObject({ finalMark: 2, high: 2 });
  expect(node.reads.finalMarks({})).toContainEqual({ ...stream, fin: 2 });
  database.close();
});

test("a stream of class final is named to the parent until the root's mark has passed all of it, even with nothing left here", () => {
  const { node, database } = open(false);
  append(node, 2);
  node.writes.quarantine({ ...self, first: 1, reason: "corrupt", nowMs: 1 });
  const isComplete = () => node.reads.greeting({}).streams.map((one) => one.isComplete);
  expect(isComplete()).toEqual([false]);
  node.writes.settleFinal({ marks: [{ ...self, fin: 2 }] });
  expect(isComplete()).toEqual([true]);
  database.close();
});

test("a root's mark is what has left for the document store without a hole, lost numbers included", () => {
  const { node, database } = open(true);
  for (const items of [2, 2, 2]) append(node, items);
  const marks = () => node.reads.finalMarks({}).map(({ fin }) => fin);
  expect(marks()).toEqual([]);
  node.writes.forget({ acked: [{ ...self, ranges: [[3, 4]] }] });
  expect(marks()).toEqual([]);
  node.writes.forget({ acked: [{ ...self, ranges: [[1, 2]] }] });
  expect(marks()).toEqual([4]);
  node.writes.quarantine({ ...self, first: 5, reason: "corrupt", nowMs: 1 });
  node.writes.forget({ acked: [{ ...self, ranges: [[5, 6]] }] });
  expect(marks()).toEqual([6]);
  database.close();
});

test("a stream that leaves the class waits for no mark: what the parent has goes at the next start", () => {
  const { node, database } = open(false);
  for (const items of [2, 2]) append(node, items);
  node.writes.forget({ acked: [{ ...self, ranges: [[1, 2]] }] });
  const streams = [{ name: "alarms", priority: 0, class: "custody", order: "strict", policy: "newest" }] as const;
  node.writes.open({ fresh: { uuid: "u", epoch: 5, instance: 6 }, streams, nowMs: 1, idsAbove: 0 });
  expect(node.reads.accounting({})[0]?.row).toMatchObject({ delivered: 2, held: 2, handed: 0 });
  database.close();
});

test("what was handed on and comes from below may be nowhere above: it is handed on again", () => {
  const { node, database } = open(false);
  const body = encodeSegment([{ timeMs: 1, topic: "/data/x", payload: Uint8Array.of(1), retain: false }]);
  append(node, 1);
  append(node, 2);
  node.writes.forget({ acked: [{ ...self, ranges: [[1, 3]] }] });
  const times = { firstMs: 1, lastMs: 1, flags: 0, crc: nodeHasher.crc32(body), gap: undefined };
  const segments = [{ ...self, first: 1, items: 1, body, ...times }];
  node.writes.ingest({ child: "fog-1", batch: { streams: [], lows: [], segments }, nowMs: 1 });
  expect(node.reads.accounting({})[0]?.row).toMatchObject({ held: 3, handed: 2 });
  database.close();
});

test("a segment of which the parent has a part is handed on as a whole: nothing of it counts as handed on before", () => {
  const { node, database } = open(false);
  for (const items of [2, 4, 2]) append(node, items);
  const handed = () => node.reads.accounting({})[0]?.row.handed;
  node.writes.forget({ acked: [{ ...self, ranges: [[1, 4]] }] });
  expect(handed()).toBe(2);
  node.writes.forget({ acked: [{ ...self, ranges: [[5, 8]] }] });
  expect(handed()).toBe(4);
  node.writes.forget({ acked: [{ ...self, ranges: [[3, 6]] }] });
  expect(handed()).toBe(8);
  database.close();
});

test("[O3] to another parent all that is lost is named again, in bounded portions, also when the node dies in between", () => {
  const { node, database } = open(false);
  const count = 2_500;
  append(node, 1);
  const { id } = database.prepare("SELECT id FROM origin").get() as { readonly id: number };
  for (let at = 1; at <= count; at++) {
    database.prepare("INSERT INTO gap VALUES(?, 1, ?, ?, 1, 10, 0, 0)").run(id, 2 * at, 2 * at);
  }
  database.prepare("UPDATE stream SET high = ?, lost = ?").run(2 * count, count);
  const told = (): number =>
    Number(database.prepare("SELECT COUNT(*) AS rows FROM segment WHERE body IS NULL").get()?.["rows"]);
  node.writes.meet({ parent: "fog-1", instance: 1 });
  expect(told()).toBe(1_000);
  const again = createNodeOperations(database, parseNodeName("device-1"), nodeHasher);
  expect(again.reads.retelling({})).toBe(true);
  expect(again.writes.retell({})).toMatchObject({ more: true });
  expect(told()).toBe(2_000);
  for (let more = true; more;) ({ more } = again.writes.retell({}));
  expect(told()).toBe(count);
  expect(again.reads.retelling({})).toBe(false);
  const [entry] = again.reads.accounting({});
  expect(entry?.row).toMatchObject({ lost: count });
  expect(database.prepare("SELECT segments FROM stream").get()).toEqual({ segments: count + 1 });
});

/** Another node's stream of class final, of which segments and gaps come from `fog-2`. */
function relaying(node: ReturnType<typeof createNodeOperations>) {
  const stream = { origin: "device-2", epoch: 9, streamId: 1 };
  const traits = { name: "alarms", priority: 0, class: "final", order: "strict", policy: "newest" } as const;
  const relays = [parseNodeName("device-2")];
  const take = (first: number, items: number, isGap = false): void => {
    const item = { timeMs: 1, topic: "/data/x", payload: Uint8Array.of(1), retain: false };
    const body = isGap ? null : encodeSegment(Array.from({ length: items }, () => item));
    const crc = body === null ? 0 : nodeHasher.crc32(body);
    const gap = isGap ? { reasonCode: 3, bytes: 1 } : undefined;
    const segments = [{ ...stream, first, items, firstMs: 1, lastMs: 1, flags: isGap ? 4 : 0, crc, body, gap }];
    const batch = { streams: [{ ...stream, ...traits, high: 20 }], lows: [], segments, relays };
    node.writes.ingest({ child: "fog-2", batch, nowMs: 1 });
  };
  const ack = (first: number, last: number) => node.writes.forget({ acked: [{ ...stream, ranges: [[first, last]] }] });
  const row = () => node.reads.accounting({ origin: "device-2" })[0]?.row;
  return { stream, take, ack, row, short: () => node.reads.shortages({}).flatMap(({ ranges }) => ranges) };
}

/** As an eviction does it: the parent has it. */
function drop(database: DatabaseSync, first: number, items: number): void {
  database.prepare("DELETE FROM segment WHERE first = ?").run(first);
  database
    .prepare(
      "UPDATE stream SET held = held - ?1, segments = segments - 1, delivered = delivered + ?1 WHERE class = 1 AND high > 5",
    )
    .run(items);
}

test("[O3] what was dropped because the parent had it is asked for from below once another database of the parent is met", () => {
  const { node, database } = open(false);
  const { take, ack, row, short } = relaying(node);
  for (const first of [1, 4, 7]) take(first, 3);
  ack(1, 9);
  drop(database, 4, 3);
  expect(short()).toEqual([]);
  node.writes.meet({ parent: "fog-1", instance: 1 });
  expect(short()).toEqual([[4, 6]]);
  expect(row()).toMatchObject({ held: 6, handed: 0, delivered: 3 });
  take(4, 3);
  expect(short()).toEqual([]);
  expect(row()).toMatchObject({ held: 9, handed: 0, delivered: 0 });
  database.close();
});

test("[O3] asked by its parent, a node hands on again what it has, in whole segments, and is short itself of what it has not", () => {
  const { node, database } = open(false);
  const { stream, take, ack, row, short } = relaying(node);
  for (const first of [1, 4, 7]) take(first, 3);
  ack(1, 9);
  drop(database, 4, 3);
  node.writes.handOnOnce({ wanted: [{ ...stream, ranges: [[2, 5]] }] });
  expect(short()).toEqual([[4, 5]]);
  expect(row()).toMatchObject({ held: 6, handed: 4 });
  node.writes.settleFinal({ marks: [{ ...stream, fin: 9 }] });
  expect(short()).toEqual([]);
  node.writes.handOnOnce({ wanted: [{ ...stream, ranges: [[2, 5]] }] });
  expect(short()).toEqual([]);
  node.writes.handOnOnce({ wanted: [{ ...stream, origin: "stranger", ranges: [[2, 5]] }] });
  database.close();
});

test("[O3] what a node is short of and what is lost below is named as lost, counted once and carried upward", () => {
  const { node, database } = open(false);
  const { take, ack, row, short } = relaying(node);
  for (const first of [1, 4]) take(first, 3);
  ack(1, 6);
  drop(database, 1, 3);
  node.writes.meet({ parent: "fog-1", instance: 1 });
  take(1, 3, true);
  expect(short()).toEqual([]);
  expect(row()).toMatchObject({ held: 3, delivered: 0, lost: 3 });
  const gaps = database.prepare("SELECT first, items FROM segment WHERE body IS NULL").all();
  expect(gaps).toEqual([{ first: 1, items: 3 }]);
  take(1, 3, true);
  const ledger = row();
  expect(ledger).toMatchObject({ lost: 3 });
  expect(ledger !== undefined && isBalanced(ledger)).toBe(true);
  database.close();
});

/** Own messages 1 to 9 in three segments, which the parent has; those of the middle one have given way since. */
function withoutMiddle() {
  const { node, database } = open(false);
  node.writes.meet({ parent: "fog-1", instance: 1 });
  for (let count = 0; count < 3; count++) append(node, 3);
  node.writes.forget({ acked: [{ ...self, ranges: [[1, 9]] }] });
  drop(database, 4, 3);
  const row = () => {
    const ledger = node.reads.accounting({})[0]?.row;
    expect(ledger !== undefined && isBalanced(ledger)).toBe(true);
    return ledger;
  };
  const gaps = () => node.reads.accounting({})[0]?.gaps.map(({ first, last, reason }) => [first, last, reason]);
  const carried = () => database.prepare("SELECT first, items FROM segment WHERE body IS NULL").all();
  const { epoch, streamId } = self;
  const meet = (parent: string, instance: number, ranges: readonly (readonly [number, number])[]) =>
    node.writes.meet({ parent, instance, holds: [{ epoch, streamId, ranges }] });
  return { node, database, row, gaps, carried, meet };
}

test("[O3] own messages that gave way because the parent had them are named when another one lacks them", () => {
  const { database, row, gaps, carried, meet } = withoutMiddle();
  meet("fog-1", 1, [[1, 9]]);
  expect(row()).toMatchObject({ held: 6, delivered: 3, lost: 0 });
  meet("fog-1", 2, [[6, 9]]);
  expect(row()).toMatchObject({ held: 6, delivered: 1, lost: 2, handed: 0 });
  expect(gaps()).toEqual([[4, 5, "presumed-lost"]]);
  expect(carried()).toEqual([{ first: 4, items: 2 }]);
  meet("fog-1", 3, []);
  expect(row()).toMatchObject({ held: 6, delivered: 1, lost: 2 });
  database.close();
});

test("own messages that gave way are named to another parent as well, and not where the root has them", () => {
  const moved = withoutMiddle();
  moved.meet("fog-2", 7, [[4, 4]]);
  expect(moved.gaps()).toEqual([[5, 6, "presumed-lost"]]);
  moved.database.close();
  const passed = withoutMiddle();
  passed.node.writes.settleFinal({ marks: [{ ...self, fin: 6 }] });
  passed.meet("fog-1", 2, []);
  expect(passed.row()).toMatchObject({ held: 3, delivered: 6, lost: 0 });
  passed.database.close();
});

test("[O3] own messages that gave way are named when the parent asks for them, and no others", () => {
  const { node, database, row, gaps } = withoutMiddle();
  node.writes.handOnOnce({
    wanted: [
      {
        ...self,
        ranges: [
          [2, 5],
          [20, 30],
        ],
      },
    ],
  });
  expect(gaps()).toEqual([[4, 5, "presumed-lost"]]);
  expect(row()).toMatchObject({ high: 9, held: 6, delivered: 1, lost: 2 });
  node.writes.handOnOnce({ wanted: [{ ...self, epoch: 77, ranges: [[1, 5]] }] });
  expect(node.reads.accounting({})).toHaveLength(1);
  database.close();
});

test("[O1] messages that have come while their gap went up are not deleted for the mark that has passed it: they go on first", () => {
  const { node, database } = open(false);
  const { stream, take, ack, row } = relaying(node);
  node.writes.meet({ parent: "cloud-1", instance: 1 });
  take(1, 3);
  // The root has heard from somebody else that these are lost, and says how far everything is stored or lost.
  node.writes.settleFinal({ marks: [{ ...stream, fin: 3 }] });
  expect(row()).toMatchObject({ held: 3, delivered: 0 });
  ack(1, 3);
  expect(row()).toMatchObject({ held: 0, delivered: 3 });
  database.close();
});

test("what the parent does not take of what the mark has passed goes", () => {
  const { node, database } = open(false);
  const { stream, take, row } = relaying(node);
  take(1, 3);
  take(4, 3);
  node.writes.settleFinal({ marks: [{ ...stream, fin: 5 }] });
  const nak = (first: number) => ({ ...stream, first, code: "elsewhere" as const });
  node.writes.refused({ naks: [nak(1), nak(4)], nowMs: 1, monotonicMs: 1 });
  expect(row()).toMatchObject({ held: 3, delivered: 3, lost: 0 });
  database.close();
});
