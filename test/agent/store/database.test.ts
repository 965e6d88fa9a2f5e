import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { openDatabase, translateSqliteError } from "#agent/store/database.ts";
import { FogbankError } from "#shared/errors.ts";

const createItems =
  "CREATE TABLE item(id INTEGER PRIMARY KEY, body BLOB); CREATE INDEX item_body ON item(length(body));";
const options = { migrations: [createItems], cacheBytes: 1024 * 1024 };

function inDirectory(use: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), "fogbank-database-"));
  try {
    use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function failureOf(action: () => unknown): FogbankError {
  try {
    action();
  } catch (error) {
    if (error instanceof FogbankError) return error;
    throw error;
  }
  throw new Error("expected a failure");
}

function pragma(database: DatabaseSync, name: string): unknown {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

test("every pragma has the stated value, on a new file and on one opened again", () => {
  inDirectory((directory) => {
    for (const turn of ["new", "again"]) {
      using database = openDatabase(join(directory, "a.db"), { ...options, maxBytes: 40 * 4096 });
      const names = [
        "journal_mode",
        "synchronous",
        "busy_timeout",
        "cache_size",
        "foreign_keys",
        "temp_store",
        "page_size",
        "mmap_size",
      ];
      expect(
        names.map((name) => pragma(database, name)),
        turn,
      ).toEqual(["wal", 2, 5000, -1024, 1, 2, 4096, 0]);
      const bounds = ["trusted_schema", "wal_autocheckpoint", "journal_size_limit", "max_page_count"];
      expect(
        bounds.map((name) => pragma(database, name)),
        turn,
      ).toEqual([0, 2048, 8388608, 40]);
    }
  });
});

test("a file keeps the size of its pages, and its bounds are in bytes whatever that is", () => {
  inDirectory((directory) => {
    const bounds = (file: string, pageBytes: number): unknown => {
      const sized = { ...options, pageBytes, maxBytes: 409_600, walBytes: 81_920 };
      using database = openDatabase(join(directory, file), sized);
      return ["page_size", "wal_autocheckpoint", "max_page_count"].map((name) => pragma(database, name));
    };
    expect([bounds("small.db", 2048), bounds("small.db", 4096)]).toEqual([
      [2048, 40, 200],
      [2048, 40, 200],
    ]);
    expect([bounds("large.db", 4096), bounds("large.db", 2048)]).toEqual([
      [4096, 20, 100],
      [4096, 20, 100],
    ]);
  });
});

test("works in memory", () => {
  using database = openDatabase(":memory:", options);
  database.exec("INSERT INTO item(body) VALUES (x'00')");
  expect(database.prepare("SELECT count(*) AS n FROM item").get()).toEqual({ n: 1 });
  expect(pragma(database, "foreign_keys")).toBe(1);
});

test("applies the migrations that are missing, and each once", () => {
  inDirectory((directory) => {
    const file = join(directory, "a.db");
    openDatabase(file, options).close();
    const migrations = [
      createItems,
      "ALTER TABLE item ADD COLUMN note TEXT",
      "INSERT INTO item(note) VALUES ('third')",
    ];
    openDatabase(file, { ...options, migrations }).close();
    using database = openDatabase(file, { ...options, migrations });
    expect(pragma(database, "user_version")).toBe(3);
    expect(database.prepare("SELECT note FROM item").all()).toEqual([{ note: "third" }]);
  });
});

test("a migration that fails leaves the version before it", () => {
  inDirectory((directory) => {
    const file = join(directory, "a.db");
    const migrations = [createItems, "CREATE TABLE half(id); INSERT INTO nowhere VALUES (1)"];
    expect(failureOf(() => openDatabase(file, { ...options, migrations })).code).toBe("FOGBANK_STORE_FAILED");
    using database = openDatabase(file, options);
    expect(pragma(database, "user_version")).toBe(1);
    expect(database.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'half'").get()).toEqual({ n: 0 });
  });
});

test("a database of a newer program is refused and not changed", () => {
  inDirectory((directory) => {
    const file = join(directory, "a.db");
    using newer = new DatabaseSync(file); // not in WAL mode: opening it the usual way would write
    newer.exec("CREATE TABLE later(id); PRAGMA user_version = 5");
    const before = readFileSync(file);
    const failure = failureOf(() => openDatabase(file, options));
    expect(failure.code).toBe("FOGBANK_DATA_DIR");
    expect(failure.message).toContain("schema version 5 and this program knows 1");
    expect(readFileSync(file).equals(before)).toBe(true);
  });
});

test("a file that is no database is named and left untouched", () => {
  inDirectory((directory) => {
    const file = join(directory, "a.db");
    const text = "these are the notes of a user ".repeat(300);
    writeFileSync(file, text);
    const failure = failureOf(() => openDatabase(file, options));
    expect(failure.code).toBe("FOGBANK_STORE_CORRUPT");
    expect(failure.message).toContain(file);
    expect(failure.message).toContain("left untouched");
    expect(readFileSync(file, "utf8")).toBe(text);
  });
});

test("a damaged page is found at the open, and the file left untouched", () => {
  inDirectory((directory) => {
    const file = join(directory, "a.db");
    {
      using database = openDatabase(file, options);
      const insert = database.prepare("INSERT INTO item(body) VALUES (?)");
      for (let turn = 0; turn < 200; turn++) insert.run(new Uint8Array(400).fill(turn));
    }
    const damaged = readFileSync(file);
    damaged.fill(0xa5, 3 * 4096, 8 * 4096);
    writeFileSync(file, damaged);
    expect(failureOf(() => openDatabase(file, options)).code).toBe("FOGBANK_STORE_CORRUPT");
    expect(readFileSync(file).equals(damaged)).toBe(true);
  });
});

test("a damaged file with a write-ahead log beside it is left untouched too", () => {
  inDirectory((directory) => {
    const [live, file] = [join(directory, "live.db"), join(directory, "a.db")];
    {
      using database = openDatabase(live, options);
      const insert = database.prepare("INSERT INTO item(body) VALUES (?)");
      for (let turn = 0; turn < 200; turn++) insert.run(new Uint8Array(400).fill(turn));
    }
    using database = openDatabase(live, options);
    database.exec("UPDATE item SET body = x'00' WHERE id = 1");
    // As a power failure leaves them: the log holds what was not moved into the file.
    cpSync(`${live}-wal`, `${file}-wal`);
    const damaged = readFileSync(live);
    damaged.fill(0xa5, 10 * 4096, 20 * 4096);
    writeFileSync(file, damaged);
    const log = readFileSync(`${file}-wal`);
    expect(log.length).toBeGreaterThan(0);
    expect(failureOf(() => openDatabase(file, options)).code).toBe("FOGBANK_STORE_CORRUPT");
    expect(readFileSync(file).equals(damaged)).toBe(true);
    expect(readFileSync(`${file}-wal`).equals(log)).toBe(true);
  });
});

test("an empty file becomes a database", () => {
  inDirectory((directory) => {
    const file = join(directory, "a.db");
    writeFileSync(file, "");
    using database = openDatabase(file, options);
    expect(pragma(database, "user_version")).toBe(1);
  });
});

test("a place that cannot hold a file is FOGBANK_DATA_DIR", () => {
  inDirectory((directory) => {
    writeFileSync(join(directory, "plain"), "text");
    mkdirSync(join(directory, "folder"));
    for (const place of ["plain/a.db", "missing/a.db", "folder"]) {
      const file = join(directory, place);
      const failure = failureOf(() => openDatabase(file, options));
      expect(failure.code, place).toBe("FOGBANK_DATA_DIR");
      expect(failure.message).toContain(file);
    }
  });
});

test("at its page limit a write is FOGBANK_STORE_FULL, and deleting makes room again", () => {
  inDirectory((directory) => {
    using database = openDatabase(join(directory, "a.db"), { ...options, maxBytes: 64 * 4096 });
    const insert = database.prepare("INSERT INTO item(body) VALUES (?)");
    const fill = () => {
      for (let turn = 0; turn < 1000; turn++) insert.run(new Uint8Array(2000));
    };
    const full = failureOf(() => {
      try {
        fill();
      } catch (error) {
        throw translateSqliteError(error, "append");
      }
    });
    expect(full).toMatchObject({ code: "FOGBANK_STORE_FULL" });
    expect(full.message).toMatch(/^could not append: /);
    database.exec("DELETE FROM item WHERE id <= 20");
    expect(insert.run(new Uint8Array(2000)).changes).toBe(1);
  });
});

test("translates by code, and by text where there is no code", () => {
  const coded = (errcode: number) =>
    Object.assign(new Error("what SQLite said"), { code: "ERR_SQLITE_ERROR", errcode });
  const codeOf = (error: unknown) => translateSqliteError(error, "write").code;
  expect([13, 778, 4874].map((code) => codeOf(coded(code)))).toEqual(Array(3).fill("FOGBANK_STORE_FULL"));
  expect([11, 26, 267].map((code) => codeOf(coded(code)))).toEqual(Array(3).fill("FOGBANK_STORE_CORRUPT"));
  expect([1, 5, 8, 10].map((code) => codeOf(coded(code)))).toEqual(Array(4).fill("FOGBANK_STORE_FAILED"));
  expect([18, 1555, 1811, 2067, 20].map((code) => codeOf(coded(code)))).toEqual(Array(5).fill("FOGBANK_DATA_REFUSED"));
  expect(codeOf(new Error("database or disk is full"))).toBe("FOGBANK_STORE_FULL");
  expect(codeOf(new Error("file is not a database"))).toBe("FOGBANK_STORE_CORRUPT");
  expect(codeOf("text")).toBe("FOGBANK_STORE_FAILED");
  const cause = coded(1555);
  expect(translateSqliteError(cause, "write")).toMatchObject({ cause, message: "could not write: what SQLite said" });
  const own = new FogbankError("FOGBANK_STORE_FULL", "own");
  expect(translateSqliteError(own, "write")).toBe(own);
});
