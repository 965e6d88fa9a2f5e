// The coordinator of a cloud of one node: entries in memory, those that last in SQLite as well. Entries of sessions are in memory alone:
// they end with the process, as their sessions do.
import { FogbankError } from "#shared/errors.ts";
import type { SqlDatabase, SqlStatement } from "#shared/system/sql-database.ts";
import { ChangeRefused, type Change, type Changed, type Coordinator, type Entry, type Hold } from "./coordinator.ts";
import { checkPaths } from "./entry-path.ts";
import { emptyEntry, parentOf, planChanges, type Overlay, type TreeEntry } from "./entry-tree.ts";

export const coordinationMigrations: readonly string[] = [
  `
  -- number: of the next sequential entry below this one.
  CREATE TABLE entry(
    path TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    number INTEGER NOT NULL,
    data BLOB NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
];

interface Watch {
  readonly path: string;
  readonly below: boolean;
  readonly changed: () => void;
}

/** Sessions of one node share it. */
export interface EmbeddedCoordination extends AsyncDisposable {
  open(): Coordinator;
}

/** Takes over `database`. Rejects with what that rejects with. */
export async function openEmbeddedCoordination(database: SqlDatabase): Promise<EmbeddedCoordination> {
  const coordination = new Coordination(database);
  await coordination.load();
  return coordination;
}

class Coordination implements EmbeddedCoordination {
  readonly #database: SqlDatabase;
  readonly #tree = new Map<string, TreeEntry>([["/", emptyEntry]]);
  readonly #names = new Map<string, Set<string>>();
  readonly #watches = new Set<Watch>();
  readonly #sessions = new Set<Session>();
  /** One change after another: each is planned on what the one before it has left. */
  #last: Promise<unknown> = Promise.resolve();
  #lastOwner = 0;

  constructor(database: SqlDatabase) {
    this.#database = database;
  }

  async load(): Promise<void> {
    // Parents come before their children: their paths are shorter.
    const rows = await this.#database.query("SELECT path, version, number, data FROM entry ORDER BY path", []);
    for (const row of rows) {
      const path = String(row["path"]);
      const data = row["data"] instanceof Uint8Array ? row["data"] : new Uint8Array(0);
      const [version, nextNumber] = [Number(row["version"]), Number(row["number"])];
      this.#tree.set(path, { data, version, owner: undefined, children: 0, nextNumber });
      if (path === "/") continue;
      this.#name(path);
      const parent = this.#tree.get(parentOf(path));
      if (parent !== undefined) this.#tree.set(parentOf(path), { ...parent, children: parent.children + 1 });
    }
  }

  open(): Coordinator {
    const session = new Session(this, ++this.#lastOwner);
    this.#sessions.add(session);
    return session;
  }

  entryAt(path: string): TreeEntry | undefined {
    return this.#tree.get(path);
  }

  namesBelow(path: string): readonly string[] {
    return [...(this.#names.get(path) ?? [])].toSorted();
  }

  watch(watch: Watch): Disposable {
    this.#watches.add(watch);
    return { [Symbol.dispose]: () => void this.#watches.delete(watch) };
  }

  async change(changes: readonly Change[], owner: number): Promise<readonly Changed[]> {
    return this.#inTurn(async () => {
      const plan = planChanges(this.#tree, changes, owner);
      if ("refused" in plan) {
        throw new ChangeRefused(plan.refused, plan.index, changes[plan.index] ?? { type: "change", path: "/" });
      }
      await this.#apply(plan.overlay);
      return plan.results;
    });
  }

  /** Ends `session` with its entries. */
  async end(session: Session, owner: number): Promise<void> {
    this.#sessions.delete(session);
    await this.#inTurn(async () => {
      const owned = [...this.#tree].filter(([, entry]) => entry.owner === owner).map(([path]) => path);
      const plan = planChanges(
        this.#tree,
        owned.map((path) => ({ type: "delete", path })),
        owner,
      );
      if ("overlay" in plan) await this.#apply(plan.overlay);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) await session[Symbol.asyncDispose]();
    await this.#inTurn(async () => this.#database[Symbol.asyncDispose]());
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** Stored first, then seen. */
  async #apply(overlay: Overlay): Promise<void> {
    const statements = this.#statements(overlay);
    if (statements.length > 0) await this.#database.transact(statements);
    const touched = new Set<string>();
    for (const [path, entry] of overlay) {
      const before = this.#tree.get(path);
      if (before === undefined && entry === undefined) continue;
      const isNamed = before === undefined || entry === undefined;
      if (isNamed || !isSame(entry, before)) touched.add(path);
      if (entry === undefined) {
        this.#tree.delete(path);
        this.#names.get(parentOf(path))?.delete(path.slice(path.lastIndexOf("/") + 1));
        this.#names.delete(path);
      } else {
        this.#tree.set(path, entry);
        if (before === undefined) this.#name(path);
      }
      if (isNamed) touched.add(`${parentOf(path)} *`);
    }
    for (const watch of this.#watches) if (concerns(watch, touched)) watch.changed();
  }

  /** Of what lasts; numbers given to entries of sessions last too, so that none is given twice. */
  #statements(overlay: Overlay): readonly SqlStatement[] {
    const puts: (readonly [string, number, number, Uint8Array])[] = [];
    const deletes: (readonly [string])[] = [];
    for (const [path, entry] of overlay) {
      const before = this.#tree.get(path);
      if (entry === undefined) {
        if (before !== undefined && before.owner === undefined) deletes.push([path]);
      } else if (entry.owner === undefined && !(before?.nextNumber === entry.nextNumber && isSame(entry, before))) {
        puts.push([path, entry.version, entry.nextNumber, entry.data]);
      }
    }
    const put = "INSERT OR REPLACE INTO entry(path, version, number, data) VALUES(?, ?, ?, ?)";
    return [
      ...(deletes.length > 0 ? [{ sql: "DELETE FROM entry WHERE path = ?", params: deletes }] : []),
      ...(puts.length > 0 ? [{ sql: put, params: puts }] : []),
    ];
  }

  #name(path: string): void {
    const names = this.#names.get(parentOf(path)) ?? new Set<string>();
    this.#names.set(parentOf(path), names.add(path.slice(path.lastIndexOf("/") + 1)));
  }
}

/** Whether nobody who reads it sees a difference. */
function isSame(one: TreeEntry, other: TreeEntry): boolean {
  return one.version === other.version && one.data === other.data && one.owner === other.owner;
}

/** `touched`: paths of entries that came, went or were written, and "<parent> *" of those that came or went. */
function concerns({ path, below }: Watch, touched: ReadonlySet<string>): boolean {
  if (touched.has(path) || touched.has(`${path} *`)) return true;
  return below && [...touched].some((one) => path === "/" || one.startsWith(`${path}/`));
}

class Session implements Coordinator {
  readonly #coordination: Coordination;
  readonly #owner: number;
  readonly #watches = new DisposableStack();
  readonly #listeners = new Set<(hold: Hold) => void>();
  #ended: Promise<void> | undefined;

  constructor(coordination: Coordination, owner: number) {
    this.#coordination = coordination;
    this.#owner = owner;
  }

  get hold(): Hold {
    return this.#ended === undefined ? "held" : "ended";
  }

  /** Nobody else could take it. */
  get heldUntilMs(): number {
    return this.#ended === undefined ? Number.POSITIVE_INFINITY : 0;
  }

  onHold(listener: (hold: Hold) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async get(path: string): Promise<Entry | undefined> {
    this.#check("get", [path]);
    const entry = this.#coordination.entryAt(path);
    if (entry === undefined) return undefined;
    const { data, version, owner } = entry;
    const lifetime = owner === undefined ? "lasting" : owner === this.#owner ? "own" : "session";
    return { data: data.slice(), version, lifetime };
  }

  async list(path: string): Promise<readonly string[]> {
    this.#check("list", [path]);
    return this.#coordination.namesBelow(path);
  }

  async change(changes: readonly Change[]): Promise<readonly Changed[]> {
    for (const change of changes) {
      this.#check(change.type, [change.path], change.type === "create" && change.sequential === true);
    }
    // Copies: what the caller does with the bytes later is no change.
    const own = changes.map((change) => ("data" in change ? { ...change, data: change.data.slice() } : change));
    return this.#coordination.change(own, this.#owner);
  }

  async sync(): Promise<void> {
    this.#check("sync", []);
  }

  async watch(path: string, below: boolean, changed: () => void): Promise<AsyncDisposable> {
    this.#check("watch", [path]);
    const watch = this.#watches.use(this.#coordination.watch({ path, below, changed }));
    return { [Symbol.asyncDispose]: async () => watch[Symbol.dispose]() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended === undefined) {
      this.#watches.dispose();
      this.#ended = this.#coordination.end(this, this.#owner);
      for (const listener of this.#listeners) listener("ended");
    }
    await this.#ended;
  }

  #check(operation: string, paths: readonly string[], isOpen = false): void {
    if (this.#ended !== undefined) {
      throw new FogbankError("FOGBANK_COORDINATION_ENDED", `${operation} in the coordination: the session was closed`);
    }
    checkPaths(operation, paths, isOpen);
  }
}
