// What a salvage makes of columns and tables that no sum covers. The rows are damaged by SQL: how pages are read is another test's.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { packRanges, unpackRanges } from "#agent/store/packed-ranges.ts";
import { markDamaged } from "#agent/store/salvage-files.ts";
import { isBalanced } from "#shared/journal/ledger.ts";
import { segmentFlags } from "#shared/journal/segment.ts";
import { identityFault } from "#shared/link/identity-check.ts";
import { append, childSegment, ingest, type OpenStore, openStore, own } from "./salvage-scene.ts";

function fileOfTest(): string {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-salvage-journal-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "fogbank.db");
}

/** Opens the store, uses it, damages its rows, and opens it again, which salvages it. */
function salvaged(use: (store: OpenStore) => void, damage: string | ((database: DatabaseSync) => void)): OpenStore {
  const file = fileOfTest();
  const store = openStore(file, own.epoch);
  use(store);
  store.database.close();
  {
    using database = new DatabaseSync(file);
    if (typeof damage === "string") database.exec(damage);
    else damage(database);
  }
  return reopened(file);
}

function reopened(file: string): OpenStore {
  markDamaged(file, "as the test wants it");
  const again = openStore(file, 6);
  onTestFinished(() => again.database.close());
  expect(again.reports.length).toBe(1);
  for (const { row } of again.read("accounting", {}))
    expect({ row, balanced: isBalanced(row) }).toMatchObject({ balanced: true });
  return again;
}

/** Asks the file of an open store, whose lock keeps others out: a copy of it. */
function rowsOf(store: OpenStore, sql: string): readonly Record<string, unknown>[] {
  const copy = join(mkdtempSync(join(tmpdir(), "fogbank-salvage-copy-")), "copy.db");
  for (const suffix of ["", "-wal"]) writeFileSync(copy + suffix, readFileSync(store.file + suffix));
  try {
    using database = new DatabaseSync(copy);
    return database.prepare(sql).all();
  } finally {
    rmSync(join(copy, ".."), { recursive: true });
  }
}

/** First numbers of what goes to the parent, gaps as negative numbers. */
function outgoing(store: OpenStore, epoch: number): readonly number[] {
  const numbers: number[] = [];
  for (const { epoch: of, first, body } of store.read("after", { id: 0, bytesMax: 1e9 }).segments) {
    if (of === epoch) numbers.push(body === null ? -first : first);
  }
  return numbers;
}

const ownSegments = [1, 3, 5, 7];
const appendAll = (store: OpenStore): void => ownSegments.forEach((first) => append(store, first));

test("a database of an earlier schema: its rows are copied as they were, then brought up, and its streams wait again", () => {
  const file = fileOfTest();
  {
    const store = openStore(fileOfTest(), own.epoch);
    appendAll(store);
    const [stream] = rowsOf(store, "SELECT ranges FROM stream");
    const segments = rowsOf(store, "SELECT first, items, first_ms, last_ms, crc, body FROM segment ORDER BY id");
    store.database.close();
    using older = openDatabase(file, { migrations: nodeMigrations.slice(0, 4), cacheBytes: 1e6 });
    older.exec(
      `INSERT INTO meta VALUES('name', '${own.name}'), ('uuid', 'u'), ('epoch', 5), ('instance', 6); INSERT INTO origin VALUES(1, '${own.name}', 5)`,
    );
    const ranges = stream?.["ranges"];
    if (!(ranges instanceof Uint8Array)) throw new Error("no ranges");
    older.prepare("INSERT INTO stream VALUES(1, 1, 'data', 2, 0, 8, ?, 1, 0, 0, 8, 0, 0, 0, 0)").run(ranges);
    const insert = older.prepare(
      "INSERT INTO segment(origin, stream, first, items, priority, first_ms, last_ms, flags, crc, body) VALUES(1, 1, ?, ?, 2, ?, ?, 0, ?, ?)",
    );
    for (const { first, items, first_ms: firstMs, last_ms: lastMs, crc, body } of segments) {
      insert.run(Number(first), Number(items), Number(firstMs), Number(lastMs), Number(crc), body as Uint8Array);
    }
  }
  const store = reopened(file);
  expect(outgoing(store, 5)).toEqual(ownSegments);
  expect(rowsOf(store, "SELECT segments, held, handed FROM stream WHERE high > 0")).toEqual([
    { segments: 4, held: 8, handed: null },
  ]);
});

test("[O3] the count of rows that wait is made again, gaps included", () => {
  const store = salvaged(appendAll, "UPDATE stream SET segments = 0; DELETE FROM segment WHERE first = 3");
  expect(outgoing(store, 5)).toEqual([1, 5, 7, -3]);
  expect(rowsOf(store, "SELECT segments, held, lost FROM stream WHERE high > 0")).toEqual([
    { segments: 4, held: 6, lost: 2 },
  ]);
});

test("[O3] of gaps on their way up those parts get a row that no row names: rows stay disjoint", () => {
  const whole = childSegment(1, 20);
  const gap = { ...whole, flags: segmentFlags.gap, body: null, crc: 0, gap: { reasonCode: 1, bytes: 200 } };
  // As after a merge of two of which one was on its way, and with a row that is gone.
  const store = salvaged(
    (open) => ingest(open, 20, [gap]),
    `INSERT INTO segment(id, origin, stream, first, items, priority, first_ms, last_ms, flags, crc, gap_reason, gap_bytes, body)
     SELECT id + 1, origin, stream, 6, 15, priority, first_ms, last_ms, flags, crc, gap_reason, 150, body FROM segment;
     UPDATE segment SET items = 5, gap_bytes = 50 WHERE first = 1;
     UPDATE gap SET last = 10, bytes = 100`,
  );
  expect(rowsOf(store, "SELECT first, last, bytes FROM gap ORDER BY first")).toEqual([
    { first: 1, last: 10, bytes: 100 },
    { first: 11, last: 20, bytes: 100 },
  ]);
  expect(store.read("accounting", { origin: "device-1" })[0]?.row).toMatchObject({ lost: 20 });
});

test("[O3] what the parent has and is not readable any more goes up as a gap; what is readable stays handed on", () => {
  const store = salvaged(appendAll, (database) => {
    database.prepare("UPDATE stream SET class = 1, handed = ?").run(packRanges([[1, 6]]));
    database.exec("DELETE FROM segment WHERE first = 3");
  });
  const [row] = rowsOf(store, "SELECT handed FROM stream WHERE high > 0");
  expect(unpackRanges(row?.["handed"])).toEqual([
    [1, 2],
    [5, 6],
  ]);
  expect(outgoing(store, 5)).toEqual([1, 5, 7, -3]);
});

test("marks that cannot be are forgotten, others stay; a column of ranges that cannot be read is none", () => {
  const marks = "SELECT handed, final_mark, digest_at, digest_items, digest FROM stream WHERE high > 0";
  const damage = (digestAt: number, finalMark: number) => (database: DatabaseSync) =>
    database
      .prepare("UPDATE stream SET handed = ?, final_mark = ?, digest_at = ?, digest_items = 2, digest = 77")
      .run(Uint8Array.of(255, 1), finalMark, digestAt);
  expect(rowsOf(salvaged(appendAll, damage(900, 900)), marks)).toEqual([
    { handed: null, final_mark: 0, digest_at: 0, digest_items: 0, digest: 0 },
  ]);
  expect(rowsOf(salvaged(appendAll, damage(6, 4)), marks)).toEqual([
    { handed: null, final_mark: 4, digest_at: 6, digest_items: 2, digest: 77 },
  ]);
});

test("a segment whose clock is gone is of no clock that comes later, and says that its time is not known", () => {
  const store = salvaged(
    appendAll,
    `INSERT INTO clock(id, offset_ms, boot) VALUES(1, 5, 'b'); UPDATE segment SET clock = 1 WHERE first = 1;
     UPDATE segment SET clock = 2 WHERE first = 3`,
  );
  expect(rowsOf(store, "SELECT first, clock, flags FROM segment WHERE first < 6 ORDER BY first")).toEqual([
    { first: 1, clock: 1, flags: 0 },
    { first: 3, clock: 0, flags: segmentFlags.unsynced | segmentFlags.adrift },
    { first: 5, clock: 0, flags: 0 },
  ]);
});

test("who is below stays, and so does what is quarantined under an origin that is known", () => {
  const store = salvaged(
    appendAll,
    `INSERT INTO below(child, node) VALUES('fog-2', 'device-7'), ('fog-2', '');
     INSERT INTO quarantine(origin, stream, first, items, reason, crc, at_ms, body) VALUES(1, 1, 3, 2, 3, 0, 1, x'01'), (99, 1, 3, 2, 3, 0, 1, x'01')`,
  );
  expect(rowsOf(store, "SELECT child, node FROM below")).toEqual([{ child: "fog-2", node: "device-7" }]);
  expect(rowsOf(store, "SELECT origin FROM quarantine")).toEqual([{ origin: 1 }]);
});

test("a stream of which nothing is known is called by its number until its node tells more, and takes no parent's name away", () => {
  const fill = (store: OpenStore): void => ingest(store, 10, [childSegment(1, 2)]);
  const store = salvaged(fill, "DELETE FROM stream WHERE origin <> 1");
  const stateOf = (of: OpenStore) => of.read("greeting", {}).streams.find(({ origin }) => origin === "device-1");
  const unknown = stateOf(store);
  expect(unknown).toMatchObject({ name: "1", class: "custody" });
  if (unknown === undefined) throw new Error("unreachable");

  const parent = openStore(fileOfTest(), 8);
  onTestFinished(() => parent.database.close());
  const told = { ...unknown, name: "alarms", class: "final", priority: 0, order: "strict", policy: "newest" } as const;
  const hear = (of: OpenStore, state: typeof unknown) =>
    of.write("hear", { child: "device-1", streams: [state], lows: [], nowMs: 9 });
  hear(parent, told);
  hear(parent, { ...unknown, high: 40 });
  expect(stateOf(parent)).toEqual({ ...told, high: 40, isComplete: false });

  hear(store, told);
  expect(stateOf(store)).toMatchObject({ name: "alarms", class: "final", order: "strict", policy: "newest" });
});

test("an own stream is what the one with its number was in another epoch", () => {
  const use = (store: OpenStore): void => {
    appendAll(store);
    store.write("renewEpoch", { fresh: { epoch: 7, instance: 8 }, holds: [], nowMs: 1 });
    store.write("renumber", {});
    store.write("renumber", {});
  };
  const store = salvaged(
    use,
    "UPDATE stream SET class = 1, policy = 2 WHERE origin = 1; DELETE FROM stream WHERE origin = 2",
  );
  expect(rowsOf(store, "SELECT name, class, policy, held FROM stream WHERE origin = 2")).toEqual([
    { name: "data", class: 1, policy: 2, held: 8 },
  ]);
});

test("[O4] a renumbering that the salvage cuts short goes on to the new epoch: each message once, each number named", () => {
  const use = (store: OpenStore): void => {
    appendAll(store);
    store.write("renewEpoch", { fresh: { epoch: 7, instance: 8 }, holds: [], nowMs: 1 });
    append(store, 9);
  };
  const store = salvaged(use, "DELETE FROM segment WHERE first = 3");
  append(store, 11);
  while (!store.write("renumber", {}).isDone);
  expect([outgoing(store, 6).filter((first) => first > 0), outgoing(store, 7)]).toEqual([
    [1, 3, 5, 7],
    [9, -1],
  ]);
  const accounts = store.read("accounting", {}).map(({ row, gaps }) => ({
    epoch: row.epoch,
    high: row.high,
    held: row.held,
    lost: row.lost,
    gaps: gaps.map(({ first, last, reason }) => [first, last, reason]),
  }));
  expect(accounts).toEqual([
    {
      epoch: 5,
      high: 8,
      held: 0,
      lost: 8,
      gaps: [
        [1, 2, "renumbered"],
        [3, 4, "corrupt"],
        [5, 8, "renumbered"],
      ],
    },
    { epoch: 6, high: 8, held: 8, lost: 0, gaps: [] },
    { epoch: 7, high: 10, held: 2, lost: 8, gaps: [[1, 8, "renumbered"]] },
  ]);
});

test("what the parent holds of the epochs that ended makes this node no copy", () => {
  const store = salvaged(appendAll, "INSERT INTO meta VALUES('file', '1:2'), ('birth', '3'), ('boot-id', 'b')");
  const { epoch } = store.opened.identity;
  const holds = [{ epoch: 5, streamId: 1, ranges: [[1, 999]] as const }];
  const { own: numbers, marks } = store.read("evidence", { holds });
  expect(numbers).toEqual([{ epoch: 5, streamId: 1, high: 8, offered: 8, isWaiting: true }]);
  expect(identityFault(epoch, numbers, holds, marks)).toBeUndefined();
  expect(identityFault(5, numbers, holds, marks)).toEqual({ fault: "older-copy", epoch: 5 });
  // Nor does it that the file is another one now.
  expect(rowsOf(store, "SELECT key FROM meta WHERE key IN ('file', 'birth', 'boot-id')")).toEqual([{ key: "boot-id" }]);
});
