import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { createNodeOperations } from "#agent/store/node-operations.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { addInterval, countIntervals, coversInterval, emptyIntervals } from "#shared/journal/interval-set.ts";
import { elsewhereOf, isBalanced, missingOf } from "#shared/journal/ledger.ts";
import { decodeSegment, encodeSegment, segmentFlags } from "#shared/journal/segment.ts";
import type { StreamState } from "#shared/journal/stream.ts";
import type { WireSegment } from "#shared/link/frames.ts";

const databases: DatabaseSync[] = [];
afterEach(() => {
  for (const database of databases.splice(0)) if (database.isOpen) database.close();
});

const stream: StreamState = {
  origin: "device-1",
  epoch: 9,
  streamId: 1,
  name: "data",
  priority: 2,
  class: "custody",
  order: "live-first",
  policy: "oldest",
  high: 0,
};

function open(name: string, isFinal = false, file = ":memory:") {
  const database = openDatabase(file, { migrations: nodeMigrations, cacheBytes: 1_000_000 });
  databases.push(database);
  const operations = createNodeOperations(database, parseNodeName(name), nodeHasher, { isFinal });
  const opened = operations.writes.open({
    fresh: { uuid: "u", epoch: 5, instance: 6 },
    streams: [{ name: "data", priority: 2, class: "custody", order: "live-first", policy: "oldest" }],
    nowMs: 1000,
    idsAbove: 0,
  });
  return { database, ...operations, opened };
}

/** Numbers first…last of device-1, whose payload is the number. */
function segmentOf(first: number, last: number): WireSegment {
  const items = Array.from({ length: last - first + 1 }, (_, index) => itemOf(first + index));
  const body = encodeSegment(items);
  const times = { firstMs: first, lastMs: last };
  return {
    origin: "device-1",
    epoch: 9,
    streamId: 1,
    first,
    items: items.length,
    ...times,
    flags: 0,
    crc: nodeHasher.crc32(body),
    body,
    gap: undefined,
  };
}

function gapOf(first: number, last: number): WireSegment {
  return {
    ...segmentOf(first, first),
    items: last - first + 1,
    flags: segmentFlags.gap,
    body: null,
    crc: 0,
    gap: { reasonCode: 1, bytes: 10 },
  };
}

function itemOf(number: number) {
  return { timeMs: number, topic: "/data/x", payload: Uint8Array.of(number), retain: false };
}

function ingest(node: ReturnType<typeof open>, segments: readonly WireSegment[], low?: number) {
  const lows = low === undefined ? [] : [{ epoch: 9, streamId: 1, low }];
  return node.writes.ingest({ child: "device-1", batch: { streams: [stream], lows, segments }, nowMs: 2000 });
}

/** Every number that is stored, as it would be handed on. */
function storedNumbers(node: ReturnType<typeof open>): readonly number[] {
  return node.reads
    .after({ id: 0, bytesMax: 1e9 })
    .segments.flatMap((segment) =>
      segment.body === null
        ? []
        : (decodeSegment(segment.body, segment.items) ?? []).map(({ payload }) => payload[0] ?? -1),
    );
}

test("[O4] numbers go on after everything was delivered and the database was opened again", () => {
  const node = open("device-1");
  const append = () =>
    node.writes.append({ streamId: 1, items: 3, firstMs: 1, lastMs: 2, body: encodeSegment([1, 2, 3].map(itemOf)) });
  expect(append().first).toBe(1);
  node.writes.forget({ acked: [{ origin: "device-1", epoch: 5, streamId: 1, ranges: [[1, 3]] }] });
  const again = createNodeOperations(node.database, parseNodeName("device-1"), nodeHasher);
  const opened = again.writes.open({
    fresh: { uuid: "other", epoch: 77, instance: 78 },
    streams: [{ name: "data", priority: 2, class: "custody", order: "live-first", policy: "oldest" }],
    nowMs: 1,
    idsAbove: 0,
  });
  expect(opened.identity).toEqual({ uuid: "u", epoch: 5, instance: 6 });
  expect(
    again.writes.append({ streamId: 1, items: 1, firstMs: 1, lastMs: 1, body: encodeSegment([itemOf(4)]) }).first,
  ).toBe(4);
});

test("a data directory of another node is refused", () => {
  const node = open("device-1");
  const stranger = createNodeOperations(node.database, parseNodeName("device-2"), nodeHasher);
  const args = { fresh: { uuid: "u", epoch: 5, instance: 6 }, streams: [], nowMs: 1, idsAbove: 0 };
  expect(() => stranger.writes.open(args)).toThrow(
    expect.objectContaining({
      code: "FOGBANK_DATA_DIR",
      message: expect.stringContaining('belongs to the node "device-1"'),
    }),
  );
});

test("a stream keeps its number when others come and go", () => {
  const node = open("device-1");
  const reopen = (names: readonly string[]) =>
    node.writes.open({
      fresh: { uuid: "u", epoch: 5, instance: 6 },
      streams: names.map((name) => ({ name, priority: 2, class: "custody", order: "live-first", policy: "oldest" })),
      nowMs: 1,
      idsAbove: 0,
    }).streamIds;
  expect(reopen(["alarms", "data"])).toEqual([2, 1]);
  expect(reopen(["bulk", "alarms"])).toEqual([3, 2]);
});

test("[O2] any order, repetition and overlap of what children send is stored once, and the ledger sums [O3]", () => {
  const range = fc
    .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 15 }))
    .map(([first, length]) => [first, first + length] as const);
  fc.assert(
    fc.property(fc.array(range, { minLength: 1, maxLength: 25 }), (ranges) => {
      const node = open("fog-1");
      for (const [first, last] of ranges) {
        const outcome = ingest(node, [segmentOf(first, last)]);
        expect(outcome.naks).toEqual([]);
        expect(outcome.stored + outcome.duplicates).toBe(last - first + 1);
      }
      const expected = ranges.reduce((set, [first, last]) => addInterval(set, first, last), emptyIntervals);
      const numbers = storedNumbers(node);
      expect(new Set(numbers).size).toBe(numbers.length);
      expect(numbers).toHaveLength(countIntervals(expected));
      const [entry] = node.reads.accounting({ origin: "device-1" });
      expect(entry?.row.ranges).toEqual(expected);
      expect(entry?.row.held).toBe(numbers.length);
      expect(entry !== undefined && isBalanced(entry.row)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test("[O1] [O3] whatever comes, is handed on and comes again: no number is held twice, the ledger sums, and a relay holds what it was sent last", () => {
  const range = fc
    .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 9 }))
    .map(([first, length]) => [first, first + length] as const);
  const step = fc.tuple(fc.constantFrom("data", "gap", "forget"), range);
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), fc.boolean(), (steps, isFinal) => {
      const node = open("fog-1", isFinal);
      const lost = new Set<number>();
      for (const [what, [first, last]] of steps) {
        if (what === "forget") {
          node.writes.forget({ acked: [{ origin: "device-1", epoch: 9, streamId: 1, ranges: [[first, last]] }] });
          continue;
        }
        const before = new Set(storedNumbers(node));
        const ranges = node.reads.accounting({ origin: "device-1" })[0]?.row.ranges ?? [];
        ingest(node, [what === "data" ? segmentOf(first, last) : gapOf(first, last)]);
        const numbers = storedNumbers(node);
        expect(new Set(numbers).size).toBe(numbers.length);
        for (let number = first; number <= last; number++) {
          const wasThere = coversInterval(ranges, number, number);
          if (what === "gap" && !wasThere) lost.add(number);
          if (what === "gap" || lost.has(number)) continue;
          // A root has what it has handed on; a relay must be able to hand it on again.
          expect(numbers.includes(number)).toBe(!isFinal || !wasThere || before.has(number));
        }
        const [entry] = node.reads.accounting({ origin: "device-1" });
        expect(entry !== undefined && isBalanced(entry.row)).toBe(true);
        expect(Math.min(entry?.row.delivered ?? 0, entry?.row.held ?? 0)).toBeGreaterThanOrEqual(0);
      }
    }),
    { numRuns: 80 },
  );
});

test("[O1] [O2] what was handed on, then came as a gap, and comes again as data: the data goes on, and the gap no more", () => {
  const node = open("fog-1");
  ingest(node, [segmentOf(1, 6)]);
  node.writes.forget({ acked: [{ origin: "device-1", epoch: 9, streamId: 1, ranges: [[1, 6]] }] });
  ingest(node, [gapOf(1, 6)]);
  ingest(node, [segmentOf(1, 4)]);
  const { segments } = node.reads.after({ id: 0, bytesMax: 1e9 });
  expect(segments.map(({ first, items, body }) => [first, items, body !== null])).toEqual([
    [5, 2, false],
    [1, 4, true],
  ]);
  const [entry] = node.reads.accounting({ origin: "device-1" });
  expect(entry?.row).toMatchObject({ held: 4, delivered: 2, lost: 0, high: 6 });
});

test("the parts of an overlapping segment keep their own numbers, times and a valid checksum", () => {
  const node = open("fog-1");
  ingest(node, [segmentOf(4, 6)]);
  ingest(node, [segmentOf(1, 10)]);
  const { segments } = node.reads.after({ id: 0, bytesMax: 1e9 });
  expect(segments.map(({ first, items, firstMs, lastMs }) => ({ first, items, firstMs, lastMs }))).toEqual([
    { first: 4, items: 3, firstMs: 4, lastMs: 6 },
    { first: 1, items: 3, firstMs: 1, lastMs: 3 },
    { first: 7, items: 4, firstMs: 7, lastMs: 10 },
  ]);
  for (const { body, crc } of segments) expect(body !== null && nodeHasher.crc32(body)).toBe(crc);
});

test("`low` makes nothing a duplicate: an older number may still come on another path", () => {
  const node = open("cloud-1");
  ingest(node, [segmentOf(20, 30)], 20);
  const [before] = node.reads.accounting({ origin: "device-1" });
  expect(before?.row).toMatchObject({ low: 20, high: 30 });
  expect(before !== undefined && [missingOf(before.row), elsewhereOf(before.row)]).toEqual([19, 19]);
  expect(ingest(node, [segmentOf(1, 19)]).stored).toBe(19);
  const [after] = node.reads.accounting({ origin: "device-1" });
  expect(after !== undefined && [missingOf(after.row), elsewhereOf(after.row)]).toEqual([0, 0]);
});

test("the low mark of a hello says that nothing of the past will come here any more", () => {
  const node = open("fog-1");
  ingest(node, [segmentOf(1, 5)]);
  node.writes.hear({
    child: "device-1",
    streams: [{ ...stream, high: 40 }],
    lows: [{ epoch: 9, streamId: 1, low: 38 }],
    nowMs: 1,
  });
  const [entry] = node.reads.accounting({ origin: "device-1" });
  expect(entry !== undefined && [missingOf(entry.row), elsewhereOf(entry.row)]).toEqual([35, 32]);
});

test("a broken body, an unknown stream and a claim to be this node itself are answered, and the rest is taken", () => {
  const node = open("fog-1");
  const broken = { ...segmentOf(1, 2), crc: 1 };
  const stranger = { ...segmentOf(1, 2), streamId: 7 };
  const impostor = { ...segmentOf(1, 2), origin: "fog-1" };
  const outcome = ingest(node, [broken, stranger, impostor, segmentOf(5, 6)]);
  expect(outcome.naks.map(({ code }) => code)).toEqual(["corrupt", "unreadable", "elsewhere"]);
  expect(outcome.stored).toBe(2);
  expect(outcome.acked).toEqual([{ origin: "device-1", epoch: 9, streamId: 1, ranges: [[5, 6]] }]);
});

test("of a node that is live elsewhere a child sends what that one has handed to it, or to someone below it", () => {
  const node = open("cloud-1");
  const send = (epoch: number, vouched: readonly string[]) => {
    const contested = [{ origin: "device-1", epoch, vouched }];
    const relays = [parseNodeName("device-1"), parseNodeName("hub-1")];
    const batch = { streams: [{ ...stream, high: 50 }], lows: [], segments: [segmentOf(1, 2)], relays };
    return node.writes.ingest({ child: "fog-1", batch, nowMs: 1, contested });
  };
  expect(send(9, ["fog-2"]).naks.map(({ code }) => code)).toEqual(["elsewhere"]);
  expect(node.reads.accounting({ origin: "device-1" })).toEqual([]);
  expect(send(8, []).stored).toBe(2);
  for (const who of ["fog-1", "hub-1"]) expect(send(9, ["fog-2", who]).naks).toEqual([]);
  const described = { child: "fog-1", streams: [{ ...stream, high: 90 }], lows: [], nowMs: 1 };
  node.writes.hear({ ...described, contested: [{ origin: "device-1", epoch: 9, vouched: [] }] });
  expect(node.reads.accounting({ origin: "device-1" })).toMatchObject([{ row: { high: 50 } }]);
});

test("a child sends for itself and for nodes that it has ever named as below it, for nobody else", () => {
  const node = open("cloud-1");
  const send = (child: string) =>
    node.writes.ingest({ child, batch: { streams: [stream], lows: [], segments: [segmentOf(1, 2)] }, nowMs: 1 });
  expect(send("fog-1").naks.map(({ code }) => code)).toEqual(["not-below"]);
  expect(node.reads.accounting({ origin: "device-1" })).toEqual([]);
  node.writes.hear({ child: "fog-1", streams: [], lows: [], below: ["device-1"], nowMs: 1 });
  node.writes.hear({ child: "fog-1", streams: [], lows: [], below: [], nowMs: 2 });
  expect(send("fog-1")).toMatchObject({ naks: [], stored: 2 });
  expect(send("fog-2").naks.map(({ code }) => code)).toEqual(["not-below"]);
  expect(send("device-1")).toMatchObject({ naks: [], duplicates: 2 });
});

test("a gap is counted as lost with its reason, passed on, and never counted as delivered", () => {
  const node = open("fog-1");
  ingest(node, [segmentOf(1, 5), gapOf(6, 9), segmentOf(10, 10)]);
  node.writes.forget({ acked: [{ origin: "device-1", epoch: 9, streamId: 1, ranges: [[1, 10]] }] });
  const [entry] = node.reads.accounting({ origin: "device-1" });
  expect(entry).toMatchObject({
    row: { delivered: 6, lost: 4, held: 0, high: 10 },
    gaps: [{ first: 6, last: 9, reason: "evicted" }],
  });
  expect(entry !== undefined && isBalanced(entry.row)).toBe(true);
  expect(node.reads.after({ id: 0, bytesMax: 1e9 }).segments).toEqual([]);
});

test("[O5] only segments that lie wholly inside the acknowledged ranges go", () => {
  const node = open("fog-1");
  ingest(node, [segmentOf(1, 5), segmentOf(6, 10), segmentOf(11, 12)]);
  const acked = (ranges: readonly (readonly [number, number])[]) => [
    { origin: "device-1", epoch: 9, streamId: 1, ranges },
  ];
  expect(node.writes.forget({ acked: acked([[1, 8]]) })).toBe(5);
  expect(node.writes.forget({ acked: acked([[1, 8]]) })).toBe(0);
  expect(storedNumbers(node)).toEqual([6, 7, 8, 9, 10, 11, 12]);
  const [entry] = node.reads.accounting({ origin: "device-1" });
  expect(entry?.row).toMatchObject({ delivered: 5, held: 7 });
});

test("[O5] messages that have come since a gap of their numbers was read are not deleted with it", () => {
  const node = open("fog-1");
  const numbers = { origin: "device-1", epoch: 9, streamId: 1, ranges: [[1, 9]] as const };
  const row = () => node.reads.accounting({ origin: "device-1" })[0]?.row;
  const read = ingest(node, [segmentOf(1, 4), gapOf(5, 9)]).newestId;
  const { newestId } = ingest(node, [segmentOf(6, 7)]);
  expect(node.writes.forget({ acked: [{ ...numbers, idMax: read }] })).toBe(4);
  expect(storedNumbers(node)).toEqual([6, 7]);
  expect(row()).toMatchObject({ delivered: 4, held: 2, lost: 3 });
  expect(node.writes.forget({ acked: [{ ...numbers, idMax: newestId }] })).toBe(2);
  expect(row()).toMatchObject({ delivered: 6, held: 0, lost: 3 });
});

test("[O5] nor do they count as handed on in class final", () => {
  const node = open("fog-1");
  const numbers = { origin: "device-1", epoch: 9, streamId: 1, ranges: [[1, 9]] as const };
  const row = () => node.reads.accounting({ origin: "device-1" })[0]?.row;
  const take = (segments: readonly WireSegment[]) => {
    const batch = { streams: [{ ...stream, class: "final" as const }], lows: [], segments };
    return node.writes.ingest({ child: "device-1", batch, nowMs: 1 }).newestId;
  };
  const read = take([segmentOf(1, 4), gapOf(5, 9)]);
  const newestId = take([segmentOf(6, 7)]);
  node.writes.forget({ acked: [{ ...numbers, idMax: read }] });
  expect(row()).toMatchObject({ handed: 4, held: 6, lost: 3 });
  node.writes.forget({ acked: [{ ...numbers, idMax: newestId }] });
  expect(row()).toMatchObject({ handed: 9, held: 6, lost: 3 });
});

test("heartbeats raise what is known to be given, so that what is still below shows as missing", () => {
  const node = open("cloud-1");
  ingest(node, [segmentOf(1, 10)]);
  node.writes.hear({
    child: "fog-1",
    lows: [],
    streams: [{ ...stream, high: 25 }],
    below: ["device-1"],
    nowMs: 5000,
  });
  node.writes.hear({ child: "fog-1", lows: [], streams: [{ ...stream, high: 20 }], nowMs: 4000 });
  const [entry] = node.reads.accounting({ origin: "device-1" });
  expect(entry?.row).toMatchObject({ high: 25, held: 10, heardAtMs: 5000 });
  expect(entry !== undefined && isBalanced(entry.row)).toBe(true);
});

test("who tells of streams hears of those that may have grown since an answer, also when the next one got lost", () => {
  const node = open("fog-1");
  for (let device = 1; device <= 5; device++) {
    const origin = `device-${device}`;
    node.writes.hear({ child: origin, lows: [], streams: [{ ...stream, origin, high: 1 }], nowMs: 1 });
  }
  const { asked, streams } = node.reads.greeting({});
  expect(streams).toHaveLength(6);
  const grown = (since: number) => {
    const answer = node.reads.streamsSince({ asked: since });
    return { asked: answer.asked, named: answer.streams.map(({ origin, high }) => `${origin} ${high}`) };
  };
  expect(grown(asked).named).toEqual([]);
  node.writes.append({ streamId: 1, items: 1, firstMs: 1, lastMs: 1, body: encodeSegment([itemOf(1)]) });
  node.writes.hear({ child: "device-3", lows: [], streams: [{ ...stream, origin: "device-3", high: 4 }], nowMs: 2 });
  const lost = grown(asked);
  expect(lost.named).toEqual(["fog-1 1", "device-3 4"]);
  ingest(node, [{ ...segmentOf(2, 7) }]);
  const heard = grown(asked);
  expect(heard.named).toEqual(["fog-1 1", "device-3 4", "device-1 7"]);
  expect(grown(heard.asked).named).toEqual([]);
  node.writes.forget({ acked: [{ origin: "device-1", epoch: 9, streamId: 1, ranges: [[2, 7]] }] });
  expect(grown(heard.asked).named).toEqual([]);
});

test("[O2] two streams of one name in one epoch are two: their documents would be taken for each other's", () => {
  const node = open("cloud-1", true);
  const twin = { ...stream, streamId: 2 };
  for (const streams of [[stream], [twin], [twin, stream]]) {
    node.writes.hear({ child: "device-1", lows: [], streams, nowMs: 1 });
  }
  const names = () => node.reads.accounting({ origin: "device-1" }).map(({ row }) => row.stream);
  expect(names()).toEqual([stream.name, `${stream.name}~2`]);
  // A stream may be called like the number of another, which is its name until that is described.
  node.writes.hear({ child: "device-1", lows: [], streams: [{ ...stream, streamId: 3, name: "4" }], nowMs: 1 });
  node.writes.hear({ child: "device-1", lows: [], streams: [{ ...stream, streamId: 4, name: "4" }], nowMs: 1 });
  expect(new Set(names()).size).toBe(4);
  const again = open("cloud-2", true);
  const long = "n".repeat(64);
  const streams = [1, 64].map((streamId) => ({ ...stream, streamId, name: long }));
  again.writes.hear({ child: "device-1", lows: [], streams, nowMs: 1 });
  const told = again.reads.greeting({}).streams.filter(({ origin }) => origin === "device-1");
  expect(told.map(({ name }) => name.length)).toEqual([64, 63]);
});

test("ids of segments start above what the document store has seen", () => {
  const node = open("cloud-1");
  node.writes.open({ fresh: { uuid: "u", epoch: 5, instance: 6 }, streams: [], nowMs: 1, idsAbove: 500 });
  ingest(node, [segmentOf(1, 2)]);
  expect(node.reads.after({ id: 0, bytesMax: 1e9 }).segments.map(({ id }) => id)).toEqual([501]);
});

test("[O9] what has rotted is told apart when it is read for the document store", () => {
  const { database, writes, reads } = open("cloud-1", true);
  writes.ingest({ child: "device-1", batch: { streams: [stream], lows: [], segments: [segmentOf(1, 2)] }, nowMs: 1 });
  writes.ingest({ child: "device-1", batch: { streams: [], lows: [], segments: [segmentOf(3, 4)] }, nowMs: 1 });
  const read = () => reads.after({ id: 0, bytesMax: 1e6, drains: true });
  expect(read().damaged).toEqual([]);
  database.exec("UPDATE segment SET crc = crc + 1 WHERE first = 3");
  const { segments, damaged } = read();
  expect(damaged).toEqual([segments[1]?.id]);
});

test("[O10] own messages that came back from below, repaired by another node, are no sign of a clone", () => {
  const { writes, reads } = open("device-1");
  const body = encodeSegment([itemOf(1)]);
  writes.append({ streamId: 1, items: 1, firstMs: 1, lastMs: 1, body, clockOffsetMs: 77 });
  const own = { origin: "device-1", epoch: 5, streamId: 1 };
  writes.forget({ acked: [{ ...own, ranges: [[1, 1]] }] });
  const back = { ...segmentOf(1, 1), ...own };
  writes.ingest({ child: "fog-1", batch: { streams: [], lows: [], segments: [back] }, nowMs: 2 });
  expect(reads.accounting({})[0]?.row).toMatchObject({ held: 1 });
  const mark = { streamId: 1, last: 1, items: 1, crc: 1 };
  const asked = { holds: [{ epoch: 5, streamId: 1, ranges: [[1, 1]] as const, mark }] };
  expect(reads.evidence(asked).marks).toEqual([]);
  writes.forget({ acked: [{ ...own, ranges: [[1, 1]] }] });
  expect(reads.evidence(asked).marks).toEqual([]);
});

test.each(["custody", "final"] as const)(
  "[O1] own messages of class %s that come back from below after their gap is above go up, though the root says that it has the numbers",
  (kind) => {
    const database = openDatabase(":memory:", { migrations: nodeMigrations, cacheBytes: 1_000_000 });
    const { writes, reads } = createNodeOperations(database, parseNodeName("device-1"), nodeHasher);
    const streams = [{ name: "data", priority: 2, class: kind, order: "live-first", policy: "oldest" }] as const;
    writes.open({ fresh: { uuid: "u", epoch: 5, instance: 6 }, streams, nowMs: 1, idsAbove: 0 });
    const body = encodeSegment([itemOf(1)]);
    for (let count = 0; count < 3; count++) writes.append({ streamId: 1, items: 1, firstMs: 1, lastMs: 1, body });
    const own = { origin: "device-1", epoch: 5, streamId: 1 };
    writes.quarantine({ ...own, first: 2, reason: "corrupt", nowMs: 2 });
    writes.forget({ acked: [{ ...own, ranges: [[2, 2]] }] });
    // Its former parent, which had it, is below it now.
    writes.ingest({
      child: "fog-1",
      batch: { streams: [], lows: [], segments: [{ ...segmentOf(2, 2), ...own }] },
      nowMs: 3,
    });
    expect(reads.accounting({})[0]?.row).toMatchObject({ held: 3, lost: 0 });
    writes.forget({ acked: [{ ...own, ranges: [[1, 3]], isFromWelcome: true }] });
    const left = kind === "final" ? { held: 3, handed: 2 } : { held: 1, delivered: 2 };
    expect(reads.accounting({})[0]?.row).toMatchObject({ lost: 0, ...left });
    expect(reads.after({ id: 0, bytesMax: 1e6 }).segments.filter(({ first }) => first === 2)).toHaveLength(1);
    writes.forget({ acked: [{ ...own, ranges: [[2, 2]] }] });
    const gone = kind === "final" ? { held: 3, handed: 3 } : { held: 0, delivered: 3 };
    expect(reads.accounting({})[0]?.row).toMatchObject(gone);
    database.close();
  },
);

test("[O1] own messages of an earlier epoch are taken from below, whatever this database knows of them; of the present one only what it gave", () => {
  const { writes, reads } = open("device-1");
  const streams = [{ ...stream, epoch: 4, high: 3 }];
  const come = (epoch: number) =>
    writes.ingest({
      child: "fog-1",
      batch: { streams, lows: [], segments: [{ ...segmentOf(2, 3), epoch }] },
      nowMs: 1,
    });
  expect(come(4)).toMatchObject({ stored: 2, naks: [] });
  expect(reads.accounting({}).find(({ row }) => row.epoch === 4)?.row).toMatchObject({ held: 2, high: 3 });
  // It may be an older copy of its own disk: whoever sends that is to keep it.
  expect(come(5)).toMatchObject({ stored: 0, naks: [{ code: "elsewhere" }] });
});
