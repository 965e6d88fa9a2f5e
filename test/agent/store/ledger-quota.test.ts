import { expect, onTestFinished, test } from "vitest";
import { Budget } from "#agent/store/budget.ts";
import { openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { createNodeOperations } from "#agent/store/node-operations.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import type { StreamState } from "#shared/journal/stream.ts";
import { limits } from "#shared/limits.ts";
import type { WireSegment } from "#shared/link/frames.ts";

function open(maxBytes = 64 * 1024 * 1024) {
  const database = openDatabase(":memory:", { migrations: nodeMigrations, cacheBytes: 1_000_000, maxBytes });
  onTestFinished(() => database.close());
  const budget = new Budget(database);
  const node = createNodeOperations(database, parseNodeName("fog-1"), nodeHasher, { budget });
  node.writes.open({ fresh: { uuid: "u", epoch: 5, instance: 6 }, streams: [], nowMs: 1, idsAbove: 0 });
  const hear = (child: string, streams: readonly StreamState[], below: readonly string[] = []) =>
    node.writes.hear({ child, streams, lows: [], below, nowMs: 1 });
  const ingest = (child: string, streams: readonly StreamState[], segments: readonly WireSegment[]) =>
    node.writes.ingest({ child, batch: { streams, lows: [], segments }, nowMs: 1 });
  const rows = (table: "origin" | "stream"): number =>
    Number(database.prepare(`SELECT COUNT(*) AS rows FROM ${table}`).get()?.["rows"]);
  return { database, budget, ...node, hear, ingest, rows };
}

function streamOf(epoch: number, high = 1, origin = "device-1"): StreamState {
  const traits = { priority: 2, class: "custody", order: "strict", policy: "oldest" } as const;
  return { origin, epoch, streamId: 1, name: "data", ...traits, high };
}

function epochs(count: number, high?: number, origin?: string): readonly StreamState[] {
  return Array.from({ length: count }, (_, index) => streamOf(index + 1, high, origin));
}

function segmentOf(epoch: number): WireSegment {
  const body = encodeSegment([{ timeMs: 1, topic: "/data/x", payload: Uint8Array.of(1), retain: false }]);
  const stream = { origin: "device-1", epoch, streamId: 1, first: 1, items: 1, firstMs: 1, lastMs: 1, flags: 0 };
  return { ...stream, crc: nodeHasher.crc32(body), body, gap: undefined };
}

test("[O7] an origin has a bounded number of epochs that are not complete; a further one is taken when one of them is", () => {
  const node = open();
  const most = limits.openEpochsPerOrigin;
  expect(node.hear("device-1", epochs(most)).streams).toEqual([]);
  const heard = node.hear("device-1", [streamOf(1, 2), streamOf(most + 1), streamOf(most + 2)]);
  expect(heard).toMatchObject({
    streams: [{ epoch: most + 1 }, { epoch: most + 2 }],
    reason: expect.stringContaining("1000 epochs that are not complete"),
    isChildRefused: false,
  });
  expect(node.reads.accounting({}).length).toBe(most);
  expect(node.reads.accounting({})[0]?.row.high).toBe(2);
  node.ingest("device-1", [], [segmentOf(2)]);
  node.writes.forget({ acked: [{ origin: "device-1", epoch: 2, streamId: 1, ranges: [[1, 1]] }] });
  expect(node.hear("device-1", [streamOf(most + 1), streamOf(most + 2)]).streams).toMatchObject([{ epoch: most + 2 }]);
  expect(node.hear("fog-2", [streamOf(1, 1, "fog-2")]).streams).toEqual([]);
});

test("what is sent of an epoch without a place is kept back at the child, and never given up there", () => {
  const node = open();
  node.hear("device-1", epochs(limits.openEpochsPerOrigin));
  const late = limits.openEpochsPerOrigin + 1;
  const outcome = node.ingest("device-1", [streamOf(late)], [segmentOf(late), segmentOf(1)]);
  expect(outcome).toMatchObject({ stored: 1, naks: [{ code: "no-place" }], unnamed: { streams: [{ epoch: late }] } });
  expect(node.ingest("device-1", [], [segmentOf(late)]).naks).toMatchObject([{ code: "no-place" }]);
  expect(node.ingest("device-1", [], [{ ...segmentOf(1), streamId: 2 }]).naks).toMatchObject([{ code: "unreadable" }]);

  const child = open();
  child.ingest("device-1", [streamOf(1)], [segmentOf(1)]);
  const naks = [{ origin: "device-1", epoch: 1, streamId: 1, first: 1, code: "no-place" as const }];
  for (let times = 0; times < 5; times++)
    expect(child.writes.refused({ naks, nowMs: 1, monotonicMs: 1 }).messages).toBe(0);
  expect(child.reads.accounting({})[0]?.row).toMatchObject({ held: 1, lost: 0 });
});

test("complete epochs are bounded too, by a larger number", () => {
  const node = open();
  node.database.exec(
    `WITH RECURSIVE n(epoch) AS (SELECT 1 UNION ALL SELECT epoch + 1 FROM n WHERE epoch < ${limits.epochsPerOrigin})
     INSERT INTO origin(node, epoch) SELECT 'device-1', epoch FROM n`,
  );
  expect(node.hear("device-1", [streamOf(1_000_000)]).reason).toContain("drop-epoch");
});

test("[O7] low marks and segments of streams that nobody has named add nothing to the ledger", () => {
  const node = open();
  const lows = Array.from({ length: 100 }, (_, index) => ({ epoch: index + 1, streamId: 1, low: 1 }));
  node.writes.hear({ child: "device-1", streams: [], lows, nowMs: 1 });
  node.ingest("device-1", [], [segmentOf(7), { ...segmentOf(8), origin: "fog-1" }]);
  expect([node.rows("origin"), node.rows("stream")]).toEqual([0, 0]);
});

test("[O7] what one child names takes a share of the database, and what all name another", () => {
  const node = open(8 * 1024 * 1024);
  const rowsMax = node.budget.maxBytes / 256;
  const names = Array.from({ length: 40 }, (_, index) => `device-${index}`);
  const taken = (child: string): number => {
    const below = names.map((name) => `${child}-${name}`);
    const streams = below.flatMap((name) => epochs(500, 1, name));
    return streams.length - node.hear(child, streams, below).streams.length;
  };
  const most = Math.ceil(rowsMax * limits.ledgerShareOfChild);
  expect(taken("fog-2")).toBe(most);
  node.rolledBack();
  expect(taken("fog-2")).toBe(most);
  expect(node.rows("stream")).toBe(most);
  for (const child of ["fog-3", "fog-4", "fog-5"]) expect(taken(child)).toBe(most);
  expect(taken("fog-6")).toBe(0);
  expect(node.hear("fog-6", [streamOf(1, 1, "fog-6")]).reason).toContain("all that they may");
  expect(node.rows("stream")).toBeLessThanOrEqual(rowsMax * limits.ledgerShare + 1);
  expect(node.budget.isFull()).toBe(false);
});

test("[O7] in a full database there is room for a new epoch, of a part of the reserve, and then none for strangers", () => {
  const node = open(2 * 1024 * 1024);
  const fill = node.database.prepare("INSERT INTO spool_body(body) VALUES(?)");
  const fillTo = (share: number): void => {
    while (node.budget.usedBytes() < node.budget.maxBytes * share) fill.run(new Uint8Array(4_000));
  };
  node.writes.putChild({
    child: {
      name: parseNodeName("device-1"),
      uuid: "u",
      session: 1,
      conn: 1,
      place: { level: "device", zone: undefined, tags: [] },
      state: "online",
      sinceMs: 1,
    },
  });
  fillTo(1 - limits.journalReserveShare);
  expect(node.budget.isFull()).toBe(true);
  expect(node.hear("device-1", [streamOf(1)])).toMatchObject({ streams: [], isChildRefused: false });
  expect(node.hear("device-2", [streamOf(1, 1, "device-2")])).toMatchObject({ streams: [], isChildRefused: false });
  fillTo(1 - limits.journalReserveShare / 2);
  expect(node.hear("device-1", [streamOf(1, 5), streamOf(2)])).toMatchObject({
    streams: [{ epoch: 2 }],
    reason: "the database is full",
    isChildRefused: false,
  });
  expect(node.hear("device-3", [])).toMatchObject({ reason: "the database is full", isChildRefused: true });
  expect(node.reads.accounting({ origin: "device-1" })[0]?.row.high).toBe(5);
});
