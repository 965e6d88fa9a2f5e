// The disk of one node: real SQLite files that a test can lose power on. After a crash there is what the last commit left, byte for
// byte; the commit during which it crashed may be there in part.
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { WriteOutcome, WriteRequest } from "#agent/store/group-commit.ts";
import { openNodeDatabase, type NodeDatabase, type NodeDatabaseConfig } from "#agent/store/node-database.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { FogbankError } from "#shared/errors.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Seeded } from "../../scripts/torture/seeded.ts";

/** Where in a commit the power goes. */
export type CrashPoint =
  /** Nothing of it is written. */
  | "before"
  /** Some bytes of it are. */
  | "torn"
  /** All of it is, and nobody was told. */
  | "after";

/** What a full disk still takes. */
export type FullDisk =
  /** Deletes and notes, no data. */
  | "data"
  /** Nothing at all. */
  | "everything";

export interface DiskListener {
  /** Durable, and answered. */
  committed(requests: readonly WriteRequest[], outcomes: readonly WriteOutcome[]): void;
  /** It closes, or crashes in the next commit: a last look at what is there. */
  leaving(): void;
  /** The planned crash has come: the files are as they will be found. */
  crashed(point: CrashPoint): void;
}

interface Files {
  readonly database: Buffer;
  readonly log: Buffer;
}

/** Writes that bring new data. */
const dataWrites: ReadonlySet<string> = new Set(["append", "ingest"]);

export class Disk {
  readonly folder: string;
  readonly #random: Seeded;
  #opened: NodeDatabase | undefined;
  #plan: { readonly point: CrashPoint; commits: number } | undefined;
  /** How often a file has been put in the place of another. */
  #inode = 1;
  full: FullDisk | undefined;

  constructor(folder: string, random: Seeded) {
    this.folder = folder;
    this.#random = random;
    mkdirSync(folder, { recursive: true });
  }

  get file(): string {
    return join(this.folder, "fogbank.db");
  }

  /** What the system tells of the file: another one after a copy was put in its place. */
  get fileId(): string {
    return `${this.folder}:${this.#inode}`;
  }

  /** Bytes of the database and of its write-ahead log. */
  sizes(): { readonly database: number; readonly log: number } {
    const bytes = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    return { database: bytes(this.file), log: bytes(`${this.file}-wal`) };
  }

  /** Opens the database as a node does. What it answers after a crash is an error: nobody is alive to hear it. */
  open(clock: Clock, config: NodeDatabaseConfig, listener: DiskListener): NodeDatabase {
    const opened = openNodeDatabase({ hasher: nodeHasher, clock }, config);
    this.#opened = opened;
    const assertAlive = (): void => {
      if (this.#opened !== opened) throw new FogbankError("FOGBANK_STORE_CLOSED", "this node is dead");
    };
    return {
      commit: (requests) => {
        assertAlive();
        return this.#commit(opened, requests, listener);
      },
      read: (request) => {
        assertAlive();
        return opened.read(request);
      },
      close: () => {
        if (this.#opened !== opened) return;
        listener.leaving();
        this.#opened = undefined;
        opened.close();
      },
    };
  }

  /** The power goes in the `commits`-th commit from now. */
  crashIn(commits: number, point: CrashPoint): void {
    this.#plan = { point, commits };
  }

  /** The power goes now, between commits. */
  crash(): void {
    if (this.#opened !== undefined) this.#putBack(this.#files());
  }

  /** What is on the disk now: every commit so far. */
  snapshot(): Snapshot {
    return new Snapshot(this.#files());
  }

  /** Puts a snapshot in the place of a dead node's files: into new files as a backup does, or into the same as a machine's image does. */
  restore({ files }: Snapshot, how: "new files" | "same files"): void {
    if (how === "new files") this.#inode++;
    this.#write(files);
  }

  /** Flips a bit of a segment that a dead node stores. Answers the id of its row, if it stores any. */
  flipBit(random: Seeded): number | undefined {
    if (!existsSync(this.file)) return undefined;
    using database = new DatabaseSync(this.file);
    const rows = database.prepare("SELECT id, body FROM segment WHERE body IS NOT NULL").all();
    if (rows.length === 0) return undefined;
    const { id, body } = random.pick(rows);
    if (!(body instanceof Uint8Array) || typeof id !== "number") return undefined;
    const at = random.between(0, body.length - 1);
    body[at] = (body[at] ?? 0) ^ (1 << random.between(0, 7));
    database.prepare("UPDATE segment SET body = ? WHERE id = ?").run(body, id);
    return id;
  }

  #commit(opened: NodeDatabase, requests: readonly WriteRequest[], listener: DiskListener): readonly WriteOutcome[] {
    const plan = this.#plan;
    if (plan !== undefined && --plan.commits <= 0) {
      this.#plan = undefined;
      this.#crashInside(opened, plan.point, requests, listener);
      throw new FogbankError("FOGBANK_STORE_CLOSED", "this node is dead");
    }
    const outcomes = this.full === undefined ? opened.commit(requests) : this.#commitWhenFull(opened, requests);
    listener.committed(requests, outcomes);
    return outcomes;
  }

  #commitWhenFull(opened: NodeDatabase, requests: readonly WriteRequest[]): readonly WriteOutcome[] {
    const error = new FogbankError("FOGBANK_STORE_FULL", "could not write to the database: the disk is full");
    const isTaken = ({ name }: WriteRequest): boolean => this.full === "data" && !dataWrites.has(name);
    const taken = requests.filter(isTaken);
    const outcomes = taken.length === 0 ? [] : [...opened.commit(taken)];
    return requests.map((request) => (isTaken(request) ? (outcomes.shift() ?? { error }) : { error }));
  }

  #crashInside(
    opened: NodeDatabase,
    point: CrashPoint,
    requests: readonly WriteRequest[],
    listener: DiskListener,
  ): void {
    listener.leaving();
    const before = this.#files();
    if (point === "before") this.#putBack(before);
    else {
      const outcomes = opened.commit(requests);
      const after = this.#files();
      if (point === "after") listener.committed(requests, outcomes);
      this.#putBack(point === "after" ? after : this.#torn(before, after));
    }
    listener.crashed(point);
  }

  /** The log of the commit up to some byte of what it wrote; the rest as it was. The file itself is only written once the log is safe. */
  #torn(before: Files, after: Files): Files {
    // Where a transaction that made room came first, the log may have been moved into the file and begun anew in between. What of the
    // file is from then and what from the end cannot be told: as if nothing of all that were written.
    if (!before.database.equals(after.database)) return before;
    let first = 0;
    while (first < after.log.length && after.log[first] === before.log[first]) first++;
    let end = after.log.length;
    if (before.log.length >= after.log.length) while (end > first && after.log[end - 1] === before.log[end - 1]) end--;
    const cut = first >= end ? first : this.#random.between(first, end - 1);
    const log = Buffer.concat([after.log.subarray(0, cut), before.log.subarray(cut)]);
    return { database: before.database, log };
  }

  #files(): Files {
    const bytes = (file: string): Buffer => (existsSync(file) ? readFileSync(file) : Buffer.alloc(0));
    return { database: bytes(this.file), log: bytes(`${this.file}-wal`) };
  }

  /** Closing moves the log into the file; the files are then put back as the crash left them, in their places. */
  #putBack(files: Files): void {
    const opened = this.#opened;
    this.#opened = undefined;
    this.#plan = undefined;
    opened?.close();
    this.#write(files);
  }

  #write({ database, log }: Files): void {
    writeFileSync(this.file, database);
    if (log.length === 0) rmSync(`${this.file}-wal`, { force: true });
    else writeFileSync(`${this.file}-wal`, log);
    if (database.length === 0) truncateSync(this.file);
  }
}

/** A copy of a node's files. */
export class Snapshot {
  readonly files: Files;

  constructor(files: Files) {
    this.files = files;
  }
}
