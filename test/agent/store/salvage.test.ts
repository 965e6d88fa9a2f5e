import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { openDatabase } from "#agent/store/database.ts";
import { markDamaged, newestDamaged } from "#agent/store/salvage-files.ts";
import type { SalvageReport } from "#agent/store/salvage.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { addInterval, type IntervalSet, missingFrom } from "#shared/journal/interval-set.ts";
import { isBalanced } from "#shared/journal/ledger.ts";
import type { AckedRanges } from "#shared/link/frames.ts";
import { type Seeded, seeded } from "../../../scripts/torture/seeded.ts";
import {
  append,
  childSegment,
  fill,
  filesOf,
  ingest,
  type OpenStore,
  openStore,
  own,
  putFiles,
  type Snapshot,
  snapshotOf,
} from "./salvage-scene.ts";

type Files = ReadonlyMap<string, Uint8Array>;

const segments = 150;
const pageBytes = 2048;
/** Pages of segments, and nothing else. */
const leaves = [133 * pageBytes, 150 * pageBytes] as const;
const seedsPerDamage = 8;
/** Not every damage hits something. */
const seedsMax = 100;
const root = mkdtempSync(join(tmpdir(), "fogbank-salvage-"));
afterAll(() => rmSync(root, { recursive: true }));

/** A database at rest, and the same with its newest commits in the log, as a crash leaves it. */
let rested: Files;
let crashed: Files;
let before: Snapshot;
/** Checksums of all segments, those that were delivered included. */
let everStored: ReadonlyMap<string, number>;
/** Numbers that were held, and those that a gap named. */
let heldBefore: ReadonlyMap<string, IntervalSet>;

beforeAll(() => {
  const file = join(root, "fogbank.db");
  const store = openStore(file, own.epoch);
  fill(store, segments, () => {
    const copy = openStore(putFiles(mkdtempSync(join(root, "all-")), "fogbank.db", filesOf(root, "fogbank.db")), 1);
    const all = copy.read("after", { id: 0, bytesMax: 1e9 }).segments;
    everStored = new Map(all.map((one) => [keyOf(one), one.crc]));
    copy.database.close();
  });
  crashed = filesOf(root, "fogbank.db");
  store.database.close();
  rested = filesOf(root, "fogbank.db");
  before = snapshotOf(file);
  heldBefore = heldIn(file);
}, 120_000); // some hundred commits, each synced

function folderOfTest(): string {
  const folder = mkdtempSync(join(root, "case-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

function heldIn(file: string): ReadonlyMap<string, IntervalSet> {
  using database = new DatabaseSync(file, { readOnly: true });
  const held = new Map<string, IntervalSet>();
  const rows = database.prepare(
    "SELECT o.node, o.epoch, g.first, g.items FROM segment g JOIN origin o ON o.id = g.origin WHERE g.body IS NOT NULL",
  );
  for (const { node, epoch, first, items } of rows.iterate()) {
    const key = `${String(node)}/${String(epoch)}`;
    held.set(key, addInterval(held.get(key) ?? [], Number(first), Number(first) + Number(items) - 1));
  }
  return held;
}

function damaged(files: Files, suffix: string, change: (bytes: Uint8Array) => Uint8Array | void): Files {
  const bytes = new Uint8Array(files.get(suffix) ?? new Uint8Array());
  return new Map([...files, [suffix, change(bytes) ?? bytes]]);
}

function keyOf({ origin, epoch, streamId, first }: Omit<AckedRanges, "ranges"> & { readonly first: number }): string {
  return `${origin}/${epoch}/${streamId}/${first}`;
}

interface Outcome {
  readonly store: OpenStore;
  readonly file: string;
  readonly report: SalvageReport | undefined;
}

/** Opens the damaged files as the node's next start does, and closes them at the end of `use`. */
function open(files: Files, use: (outcome: Outcome) => void): void {
  const folder = mkdtempSync(join(root, "open-"));
  const file = putFiles(folder, "fogbank.db", files);
  const store = start(file);
  try {
    use({ store, file, report: store.reports[0] });
  } finally {
    store.database.close();
    rmSync(folder, { recursive: true });
  }
}

/** Damage that no check at the start sees shows at the first use, and is salvaged at the start after that. */
function start(file: string): OpenStore {
  try {
    return openStore(file, 6);
  } catch (error) {
    if (!existsSync(`${file}-damaged`)) throw error;
    return openStore(file, 6);
  }
}

/** What holds after any damage: nothing is invented, every account balances, what is gone is named, and the store works. */
function expectSound({ store, report }: Outcome, label: string): void {
  const { segments: found } = store.read("after", { id: 0, bytesMax: 1e9 });
  for (const segment of found) {
    if (segment.body === null) continue;
    expect(nodeHasher.crc32(segment.body), label).toBe(segment.crc);
    expect(everStored.get(keyOf(segment)), `${label}: ${keyOf(segment)}`).toBe(segment.crc);
  }
  for (const { row } of store.read("accounting", {})) {
    const title = `${label}: ${row.origin}/${row.epoch}/${row.stream}`;
    expect(isBalanced(row), title).toBe(true);
    const here = found.filter(
      (one) =>
        one.body !== null && one.origin === row.origin && one.epoch === row.epoch && one.streamId === row.streamId,
    );
    expect(row.held, title).toBe(here.reduce((sum, { items }) => sum + items, 0));
    expect(row.heldBytes, title).toBe(here.reduce((sum, { body }) => sum + (body?.length ?? 0), 0));
    const gaps = store.read("accounting", { origin: row.origin }).find((one) => one.row.epoch === row.epoch)?.gaps;
    let accounted: IntervalSet = [];
    for (const { first, items } of here) accounted = addInterval(accounted, first, first + items - 1);
    for (const { first, last } of gaps ?? []) accounted = addInterval(accounted, first, last);
    for (const [first, last] of heldBefore.get(`${row.origin}/${row.epoch}`) ?? []) {
      const unnamed = missingFrom(accounted, first, Math.min(last, row.high));
      // More than were lost may be named, but none that was held is passed over in silence.
      expect(first > row.high ? [] : unnamed, title).toEqual([]);
    }
  }
  expect(report?.reason, label).not.toBe("");
  expect(store.opened.identity.epoch, label).toBe(6);
  expectWorks(store, label);
}

function expectWorks(store: OpenStore, label: string): void {
  const { row: old } = ownRow(store) ?? {};
  const next = (old?.high ?? 0) + 1;
  append(store, next);
  ingest(store, 10_010, [childSegment(10_001, 10_002)]);
  expect(ownRow(store)?.row.held, label).toBe((old?.held ?? 0) + 2);
  const acked = [
    { origin: own.name, epoch: store.opened.identity.epoch, streamId: 1, ranges: [[next, next + 1]] as const },
  ];
  expect(store.write("forget", { acked }), label).toBe(2);
  for (const { id, last, progress } of store.read("sessionList", {})) {
    let known = progress.done;
    for (const { number, message } of store.read("sessionQueue", { session: id, from: 1, bytesMax: 1e9 })) {
      expect(message.topic, label).toBe("a/b");
      known = addInterval(known, number, number);
    }
    // A number that neither waits nor is done would hold up the session's cursor for ever.
    expect(missingFrom(known, progress.cursor + 1, last), `${label}: session ${id}`).toEqual([]);
  }
}

function ownRow(store: OpenStore) {
  return store.read("accounting", { origin: own.name }).find(({ row }) => row.epoch === store.opened.identity.epoch);
}

/** The pages, from 1, that changed. */
function pagesThatDiffer(a: Uint8Array, b: Uint8Array): ReadonlySet<number> {
  const differing = new Set<number>();
  for (let at = 0; at < a.length; at += pageBytes) {
    if (!Buffer.from(a.subarray(at, at + pageBytes)).equals(b.subarray(at, at + pageBytes)))
      differing.add(at / pageBytes + 1);
  }
  return differing;
}

/** Segments whose row lies on a page that is as it was: small ones only, which have no other page. */
function expectReadableSurvive(files: Files, { store }: Outcome, label: string): void {
  const file = Buffer.from(rested.get("") ?? []);
  const bad = pagesThatDiffer(file, files.get("") ?? new Uint8Array());
  const found = new Set(store.read("after", { id: 0, bytesMax: 1e9 }).segments.map(keyOf));
  const origins = new Set(store.read("accounting", {}).map(({ row }) => `${row.origin}/${row.epoch}`));
  for (const [key, body] of before.segments) {
    if (body === null || body.length > 900 || !origins.has(key.split("/").slice(0, 2).join("/"))) continue;
    const pages = pagesWith(file, body);
    if (!pages.some((page) => bad.has(page))) expect(found.has(key), `${label}: ${key} on ${pages.join()}`).toBe(true);
  }
}

/** The row's page, and those on which the bytes were left when the row was moved to another one. */
function pagesWith(file: Buffer, body: Uint8Array): readonly number[] {
  const pages: number[] = [];
  for (let at = file.indexOf(body); at !== -1; at = file.indexOf(body, at + 1))
    pages.push(Math.floor(at / pageBytes) + 1);
  return pages;
}

const damages: Readonly<Record<string, (bytes: Uint8Array, chance: Seeded) => Uint8Array | void>> = {
  "flipped bytes": (bytes, chance) => {
    for (let turn = chance.between(1, 20); turn > 0; turn--) {
      const at = chance.between(0, bytes.length - 1);
      bytes[at] = (bytes[at] ?? 0) ^ chance.between(1, 255);
    }
  },
  "a page of zeros": (bytes, chance) => {
    const at = chance.between(0, bytes.length / pageBytes - 1) * pageBytes;
    bytes.fill(0, at, at + pageBytes);
  },
  "pages of noise": (bytes, chance) => {
    for (let turn = chance.between(1, 8); turn > 0; turn--) {
      const at = chance.between(0, bytes.length / pageBytes - 1) * pageBytes;
      for (let index = at; index < at + pageBytes; index++) bytes[index] = chance.between(0, 255);
    }
  },
  "a page in another's place": (bytes, chance) => {
    const [from, to] = [
      chance.between(0, bytes.length / pageBytes - 1),
      chance.between(0, bytes.length / pageBytes - 1),
    ];
    bytes.copyWithin(to * pageBytes, from * pageBytes, (from + 1) * pageBytes);
  },
  "a file cut short": (bytes, chance) => bytes.slice(0, chance.between(0, bytes.length)),
};

for (const [name, damage] of Object.entries(damages)) {
  test(`[O3] ${name}: what is readable survives, the rest is named, the accounts balance`, { timeout: 120_000 }, () => {
    let salvages = 0;
    for (let seed = 1; seed <= seedsMax && salvages < seedsPerDamage; seed++) {
      const label = `${name}, seed ${seed}`;
      const files = damaged(rested, "", (bytes) => damage(bytes, seeded(seed).fork(name)));
      open(files, (outcome) => {
        // What hits free space, or the inside of a message, is nobody's business here.
        if (outcome.report === undefined) return;
        salvages++;
        expectReadableSurvive(files, outcome, label);
        expectSound(outcome, label);
      });
    }
    expect(salvages).toBe(seedsPerDamage);
  });
}

test("[O3] a damaged body is not handed on: its numbers are named", () => {
  const file = Buffer.from(rested.get("") ?? []);
  const [key, body] = [...before.segments].find(([, stored]) => stored !== null && stored.length < 900) ?? [];
  const at = file.indexOf(body ?? "");
  // The page is marked as unreadable by its type, so that the file is salvaged; the other one has a flipped byte in a message.
  const files = damaged(rested, "", (bytes) => {
    bytes[at + 30] = (bytes[at + 30] ?? 0) ^ 1;
    bytes[lastPageOf(bytes, at)] = 0;
  });
  open(files, ({ store, report }) => {
    const first = Number(key?.split("/").at(-1));
    const origin = key?.split("/")[0] ?? "";
    expect(report?.refusedRows).toBe(1);
    const gaps = store.read("accounting", { origin }).flatMap((entry) => entry.gaps);
    expect(gaps.some((gap) => gap.first <= first && first <= gap.last && gap.reason === "corrupt")).toBe(true);
  });
});

/** Where the last page begins that is a leaf of a table and has nothing to do with `at`. */
function lastPageOf(bytes: Uint8Array, at: number): number {
  for (let page = bytes.length - pageBytes; page > 0; page -= pageBytes) {
    if (bytes[page] === 13 && Math.floor(at / pageBytes) !== page / pageBytes) return page;
  }
  throw new Error("no leaf");
}

test("[O3] the lost numbers travel up as gaps that say they were damaged", () => {
  const files = damaged(rested, "", (bytes) => {
    bytes.fill(0, ...leaves);
  });
  open(files, ({ store, report }) => {
    const rows = store.read("accounting", {}).filter(({ row }) => row.lost > 0);
    expect(rows.length).toBeGreaterThan(0);
    const gaps = store.read("after", { id: 0, bytesMax: 1e9 }).segments.filter(({ gap }) => gap?.reasonCode === 3);
    expect(gaps.length).toBeGreaterThan(0);
    for (const { origin, epoch, first, items, flags, body } of gaps) {
      expect([flags, body]).toEqual([1, null]);
      const named = rows.find(({ row }) => row.origin === origin && row.epoch === epoch)?.gaps ?? [];
      expect(named).toContainEqual({ first, last: first + items - 1, reason: "corrupt" });
    }
    expect(report).toMatchObject({
      repair: { lost: expect.arrayContaining([expect.objectContaining({ stream: "data" })]) },
    });
  });
});

test("identity: name and uuid stay, epoch and instance are new", () => {
  open(
    damaged(rested, "", (bytes) => void bytes.fill(0, ...leaves)),
    ({ store }) => {
      expect(store.opened.identity).toEqual({ uuid: "uuid-5", epoch: 6, instance: 7 });
      expect(store.opened.children.map(({ name }) => name)).toEqual(["device-1"]);
      expect(store.read("sessionList", {}).length).toBe(12);
    },
  );
});

test("a file of garbage, and one without its first page", () => {
  open(new Map([["", new TextEncoder().encode("these are the notes of a user ".repeat(900))]]), (outcome) => {
    expect(outcome.report?.rows).toEqual({});
    expect(outcome.store.opened.identity.uuid).toBe("uuid-6");
    expectWorks(outcome.store, "garbage");
  });
  const headless = damaged(rested, "", (bytes) => void bytes.fill(0, 0, pageBytes));
  open(headless, (outcome) => {
    expectReadableSurvive(headless, outcome, "headless");
    expectSound(outcome, "headless");
    expect(outcome.store.opened.identity.uuid).toBe("uuid-5");
  });
});

test("an empty file is a new database; with a log beside it the log is salvaged", () => {
  open(new Map([["", new Uint8Array()]]), ({ report }) => expect(report).toBeUndefined());
  const folder = folderOfTest();
  const store = openStore(join(folder, "fogbank.db"), own.epoch);
  append(store, 1);
  const files = filesOf(folder, "fogbank.db");
  store.database.close();
  open(
    damaged(files, "", () => new Uint8Array()),
    (outcome) => {
      expect(outcome.report?.reason).toContain("its write-ahead log is not");
      const found = outcome.store.read("after", { id: 0, bytesMax: 1e9 }).segments;
      expect(found.map(({ origin, epoch, first }) => [origin, epoch, first])).toEqual([[own.name, own.epoch, 1]]);
    },
  );
});

test(
  "[O4] a damaged log does not give an older state: what is not in it is named, and a new life begins",
  { timeout: 60_000 },
  () => {
    const framesBytes = framesOfThisTurn(crashed.get("-wal") ?? new Uint8Array()) * (24 + pageBytes);
    expect(framesBytes).toBeGreaterThan(50 * pageBytes);
    for (let seed = 1; seed <= seedsPerDamage; seed++) {
      const chance = seeded(seed);
      const files = damaged(crashed, "-wal", (bytes) => {
        const at = chance.between(0, Math.floor(framesBytes / 2));
        bytes[at] = (bytes[at] ?? 0) ^ 255;
      });
      open(files, (outcome) => {
        expect(outcome.report?.reason, `seed ${seed}`).toContain("write-ahead log is damaged");
        expectSound(outcome, `log, seed ${seed}`);
      });
    }
  },
);

/** How many frames have the salts of the header: behind them stands what is left of an earlier turn. */
function framesOfThisTurn(log: Uint8Array): number {
  const salts = Buffer.from(log.subarray(16, 24));
  let frames = 0;
  for (let at = 32; salts.equals(log.subarray(at + 8, at + 16)); at += 24 + pageBytes) frames++;
  return frames;
}

test("a log whose last transaction is not whole is what a power failure leaves: nothing is salvaged", () => {
  const files = damaged(crashed, "-wal", (bytes) =>
    bytes.slice(0, 32 + (framesOfThisTurn(bytes) - 1) * (24 + pageBytes) + 100),
  );
  open(files, ({ report, store }) => {
    expect(report).toBeUndefined();
    expect(store.opened.identity.epoch).toBe(own.epoch);
  });
});

test("a mark that damage showed in use is minded at the next open, once", () => {
  const folder = folderOfTest();
  const file = putFiles(folder, "fogbank.db", rested);
  markDamaged(file, "database disk image is malformed");
  const store = openStore(file, 6);
  expect(store.reports.map(({ reason }) => reason)).toEqual(["database disk image is malformed"]);
  // Nothing was unreadable after all: nothing is lost.
  expect(new Set(store.read("accounting", {}).map(({ row }) => row.lost))).toEqual(new Set([0, 5]));
  store.database.close();
  const again = openStore(file, 8);
  expect([again.reports, again.opened.identity.epoch]).toEqual([[], 6]);
  again.database.close();
});

test("damage in use marks the file and ends the store", () => {
  const folder = folderOfTest();
  const file = putFiles(folder, "fogbank.db", rested);
  const store = openStore(file, 6);
  // Behind the back of the open store, whose cache does not have that page yet.
  const bytes = readFileSync(file);
  for (let page = 40 * pageBytes; page < bytes.length; page += pageBytes) bytes.fill(0xff, page, page + pageBytes);
  writeFileSync(file, bytes, { flag: "r+" });
  expect(() => store.read("after", { id: 0, bytesMax: 1e9 })).toThrow("it is salvaged at the next start");
  expect(existsSync(`${file}-damaged`)).toBe(true);
  store.database.close();
  const next = openStore(file, 6);
  expect(next.reports.length).toBe(1);
  expect(existsSync(`${file}-damaged`)).toBe(false);
  next.database.close();
});

test("the damaged file is kept, and a crash between the renames is made good", () => {
  const folder = folderOfTest();
  const files = damaged(rested, "", (bytes) => void bytes.fill(0, ...leaves));
  const file = putFiles(folder, "fogbank.db", files);
  const first = openStore(file, 6);
  const kept = first.reports[0]?.quarantined ?? "";
  expect(kept).toBe(`${file}.damaged-20260710T120000.000Z`);
  expect([newestDamaged(file), newestDamaged(`${file}-other`)]).toEqual([basename(kept), undefined]);
  expect(Buffer.from(files.get("") ?? []).equals(readFileSync(kept))).toBe(true);
  first.database.close();
  renameSync(file, `${file}-salvaged`);
  const next = openStore(file, 8);
  expect(next.opened.identity).toEqual(first.opened.identity);
  next.database.close();
  expect(readdirSync(folder).filter((name) => name.includes("-salvage"))).toEqual([]);
});

test("without a second file the damaged one stays, and the error says so", () => {
  const folder = folderOfTest();
  const files = damaged(rested, "", (bytes) => void bytes.fill(0, ...leaves));
  const file = putFiles(folder, "fogbank.db", files);
  // Nobody can write a file where a folder stands.
  mkdirSync(join(folder, "fogbank.db-salvage", "in-the-way"), { recursive: true });
  const failure = expect.objectContaining({
    code: "FOGBANK_STORE_CORRUPT",
    message: expect.stringContaining("make room for a second one"),
  });
  expect(() => openStore(file, 6)).toThrow(failure);
  expect(Buffer.from(files.get("") ?? []).equals(readFileSync(file))).toBe(true);
});

test("a database with another schema is salvaged by the same code: rows of a table, whatever they mean", () => {
  const file = join(folderOfTest(), "documents.db");
  const migrations = [
    "CREATE TABLE data(arrival INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL)",
    "ALTER TABLE data ADD COLUMN note TEXT NOT NULL DEFAULT 'none'",
  ];
  const options = { migrations: migrations.slice(0, 1), cacheBytes: 1e6 };
  {
    using database = openDatabase(file, options);
    const insert = database.prepare("INSERT INTO data(topic, payload) VALUES(?, ?)");
    database.exec("BEGIN");
    for (let turn = 0; turn < 2_000; turn++) insert.run(`t/${turn}`, new Uint8Array(100).fill(turn));
    database.exec("COMMIT");
  }
  const bytes = readFileSync(file);
  bytes.fill(0, 20 * pageBytes, 22 * pageBytes);
  writeFileSync(file, bytes);
  const reports: SalvageReport[] = [];
  const salvage = {
    clock: { now: () => 0 },
    checkedTables: [],
    rules: { indexes: [] },
    onSalvaged: (report: SalvageReport) => reports.push(report),
  };
  using database = openDatabase(file, { ...options, migrations, salvage });
  const rows = database.prepare("SELECT * FROM data").all();
  expect(rows.length).toBeGreaterThan(1_900);
  expect(rows.length).toBeLessThan(2_000);
  for (const { arrival, topic, payload, note } of rows) {
    const turn = Number(arrival) - 1;
    expect([topic, payload, note]).toEqual([`t/${turn}`, new Uint8Array(100).fill(turn), "none"]);
  }
  expect(reports).toMatchObject([{ rows: { data: rows.length }, damagedTables: ["data"] }]);
});
