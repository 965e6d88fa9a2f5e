// The coordinator of a cloud that is one node [C2]: entries in memory, what is to last also in SQLite. Operations that come while a commit
// is under way share the next one; everybody reads what is on disk.
import { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import type { SqlDatabase, SqlStatement } from "#shared/system/sql-database.ts";
import type { Coordinator, Operation, Outcome, SessionState } from "../coordinator.ts";
import { checkEntryPath, rootPath } from "../entry-path.ts";
import { WatchList } from "../watch-list.ts";
import { EntryDraft, EntryTree, type Changes, type EntryRecord } from "./entry-tree.ts";

export interface EmbeddedCoordinatorDeps {
  /** Has `coordinationMigrations`; nobody else writes to it. Owned by the coordinator. */
  readonly database: SqlDatabase;
  /** Milliseconds since 1970, of the tree. */
  readonly now: () => number;
}

/** All sessions of one process. */
export interface EmbeddedCoordination extends AsyncDisposable {
  /** A session of its own: disposing it takes its ephemeral entries away. */
  open(): Coordinator;
}

/** What a session asks for; its end, if there are no operations. */
interface Waiting {
  readonly operations: readonly Operation[] | undefined;
  readonly session: string;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

const upsert =
  "INSERT INTO entry(path, data, version, next) VALUES(?, ?, ?, ?) ON CONFLICT(path) DO UPDATE SET data = excluded.data, version = excluded.version, next = excluded.next";

/** Rejects with what the database throws. */
export async function openEmbeddedCoordination(deps: EmbeddedCoordinatorDeps): Promise<EmbeddedCoordination> {
  const tree = new EntryTree();
  const rows = await deps.database.query("SELECT path, data, version, next FROM entry", []);
  const entries = new Map<string, EntryRecord>();
  for (const { path, data, version, next } of rows) {
    const bytes = data instanceof Uint8Array ? data : new Uint8Array();
    entries.set(String(path), { data: bytes, version: Number(version), next: Number(next), owner: undefined });
  }
  tree.take(entries);
  return new Embedded(deps, tree);
}

class Embedded implements EmbeddedCoordination {
  readonly #deps: EmbeddedCoordinatorDeps;
  readonly #tree: EntryTree;
  readonly #watches = new WatchList();
  #waiting: Waiting[] = [];
  #committing: Promise<void> | undefined;
  #sessions = 0;
  #isClosed = false;

  constructor(deps: EmbeddedCoordinatorDeps, tree: EntryTree) {
    this.#deps = deps;
    this.#tree = tree;
  }

  open(): Coordinator {
    const id = String(++this.#sessions);
    return new EmbeddedSession(id, {
      tree: this.#tree,
      watches: this.#watches,
      now: this.#deps.now,
      run: (operations) => this.#ask(operations, id),
      end: async () => void (await this.#ask(undefined, id)),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#committing;
    await this.#deps.database[Symbol.asyncDispose]();
  }

  #ask(operations: readonly Operation[] | undefined, session: string): Promise<Outcome> {
    if (this.#isClosed) return Promise.reject(closed());
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    this.#waiting.push({ operations, session, resolve, reject });
    this.#committing ??= this.#commitAll();
    return promise;
  }

  async #commitAll(): Promise<void> {
    for (let batch = this.#waiting.splice(0); batch.length > 0; batch = this.#waiting.splice(0))
      await this.#commit(batch);
    this.#committing = undefined;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const draft = new EntryDraft(this.#tree);
    const outcomes = batch.map(({ operations, session }) => {
      if (operations !== undefined) return draft.run(operations, session);
      draft.dropOwned(session);
      return { paths: [] };
    });
    try {
      const statements = this.#statementsOf(draft.changes);
      if (statements.length > 0) await this.#deps.database.transact(statements);
    } catch (error) {
      for (const { reject } of batch) reject(error);
      return;
    }
    this.#take(draft.changes);
    for (const [index, { resolve }] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome !== undefined) resolve(outcome);
    }
  }

  #take(changes: Changes): void {
    const told = [...changes].map(([path, record]): [string, boolean] => [
      path,
      (record === undefined) !== (this.#tree.get(path) === undefined),
    ]);
    this.#tree.take(changes);
    this.#watches.tell(told);
  }

  #statementsOf(changes: Changes): readonly SqlStatement[] {
    const isKept = (record: EntryRecord | undefined): record is EntryRecord =>
      record !== undefined && record.owner === undefined;
    const puts = [...changes].flatMap(([path, record]) =>
      isKept(record) ? [[path, record.data, record.version, record.next]] : [],
    );
    const removals = [...changes].flatMap(([path, record]) =>
      !isKept(record) && isKept(this.#tree.get(path)) ? [[path]] : [],
    );
    return [
      ...(puts.length === 0 ? [] : [{ sql: upsert, params: puts }]),
      ...(removals.length === 0 ? [] : [{ sql: "DELETE FROM entry WHERE path = ?", params: removals }]),
    ];
  }
}

interface SessionDeps {
  readonly tree: EntryTree;
  readonly watches: WatchList;
  readonly now: () => number;
  run(operations: readonly Operation[]): Promise<Outcome>;
  end(): Promise<void>;
}

/** It stands as long as the process. */
class EmbeddedSession implements Coordinator {
  readonly #deps: SessionDeps;
  readonly #watched = new DisposableStack();
  readonly #listeners = new Set<(state: SessionState) => void>();
  #state: SessionState;

  constructor(id: string, deps: SessionDeps) {
    this.#deps = deps;
    this.#state = { type: "live", id };
  }

  get session(): SessionState {
    return this.#state;
  }

  onSession(listener: (state: SessionState) => void): Disposable {
    const own = (state: SessionState): void => listener(state);
    this.#listeners.add(own);
    return { [Symbol.dispose]: () => void this.#listeners.delete(own) };
  }

  async read(path: string): ReturnType<Coordinator["read"]> {
    this.#check(path);
    const record = this.#deps.tree.get(path);
    if (record === undefined) return undefined;
    const { data, version, owner } = record;
    return { data: Uint8Array.from(data), version, owner };
  }

  async children(path: string): ReturnType<Coordinator["children"]> {
    this.#check(path);
    if (this.#deps.tree.get(path) === undefined) return undefined;
    return [...this.#deps.tree.children(path)].toSorted();
  }

  async run(operations: readonly Operation[]): Promise<Outcome> {
    for (const operation of operations) {
      this.#check(operation.path);
      if (operation.type === "create" && operation.path === rootPath)
        return { conflict: "exists", path: rootPath, index: operations.indexOf(operation) };
      if ("data" in operation) checkData(operation.path, operation.data);
    }
    // Nobody else may change what is being written.
    return this.#deps.run(
      operations.map((one) => ("data" in one ? { ...one, data: Uint8Array.from(one.data) } : { ...one })),
    );
  }

  watch(path: string, listener: () => void, { isRecursive = false } = {}): Disposable {
    this.#check(path);
    return this.#watched.use(this.#deps.watches.add(path, listener, isRecursive));
  }

  async now(): Promise<number> {
    return this.#deps.now();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state.type === "lost") return;
    this.#state = { type: "lost" };
    this.#watched.dispose();
    for (const listener of this.#listeners) listener(this.#state);
    await this.#deps.end();
  }

  #check(path: string): void {
    if (this.#state.type === "lost") throw closed();
    checkEntryPath(path);
  }
}

function checkData(path: string, data: Uint8Array): void {
  if (data.length <= limits.coordinatorDataBytes) return;
  const text = `could not write ${data.length} bytes to the coordinator's entry ${path}: at most ${limits.coordinatorDataBytes} fit; larger bodies go over MQTT`;
  throw new FogbankError("FOGBANK_PAYLOAD_TOO_LARGE", text);
}

function closed(): FogbankError {
  return new FogbankError("FOGBANK_COORDINATOR_LOST", "the session with the coordinator has ended");
}
