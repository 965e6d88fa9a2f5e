// The entries of the embedded coordinator in memory. Operations are tried on a draft; what a draft changes becomes the tree's own once it is
// on disk, so that nobody reads what a crash could take back.
import type { Conflict, Operation, Outcome } from "../coordinator.ts";
import { nameOf, parentOf, rootPath } from "../entry-path.ts";

export interface EntryRecord {
  readonly data: Uint8Array;
  readonly version: number;
  /** Number of the next sequential child. */
  readonly next: number;
  /** Session that made it, if it is ephemeral. */
  readonly owner: string | undefined;
}

/** Undefined: it goes. */
export type Changes = ReadonlyMap<string, EntryRecord | undefined>;

const emptyRoot: EntryRecord = { data: new Uint8Array(), version: 0, next: 0, owner: undefined };

export class EntryTree {
  readonly #entries = new Map<string, EntryRecord>([[rootPath, emptyRoot]]);
  readonly #children = new Map<string, Set<string>>();

  get(path: string): EntryRecord | undefined {
    return this.#entries.get(path);
  }

  /** Names, in no order. */
  children(path: string): ReadonlySet<string> {
    return this.#children.get(path) ?? none;
  }

  ownedBy(session: string): readonly string[] {
    return [...this.#entries].flatMap(([path, { owner }]) => (owner === session ? [path] : []));
  }

  take(changes: Changes): void {
    for (const [path, record] of changes) {
      const siblings = this.#children.get(parentOf(path)) ?? new Set();
      if (record === undefined) {
        this.#entries.delete(path);
        siblings.delete(nameOf(path));
      } else {
        this.#entries.set(path, record);
        if (path !== rootPath) siblings.add(nameOf(path));
      }
      if (siblings.size === 0) this.#children.delete(parentOf(path));
      else this.#children.set(parentOf(path), siblings);
    }
  }
}

const none: ReadonlySet<string> = new Set();

/** What would be if some operations were done. */
export class EntryDraft {
  readonly #tree: EntryTree;
  #changes = new Map<string, EntryRecord | undefined>();

  constructor(tree: EntryTree) {
    this.#tree = tree;
  }

  get changes(): Changes {
    return this.#changes;
  }

  /** All of them, or none: then the draft is as it was. */
  run(operations: readonly Operation[], session: string): Outcome {
    const before = new Map(this.#changes);
    const paths: string[] = [];
    for (const [index, operation] of operations.entries()) {
      const done = this.#one(operation, session);
      if (typeof done !== "string") {
        this.#changes = before;
        return { ...done, index };
      }
      paths.push(done);
    }
    return { paths };
  }

  /** A session has ended. */
  dropOwned(session: string): void {
    for (const path of this.#tree.ownedBy(session)) this.#changes.set(path, undefined);
    for (const [path, record] of this.#changes) if (record?.owner === session) this.#changes.set(path, undefined);
  }

  #get(path: string): EntryRecord | undefined {
    return this.#changes.has(path) ? this.#changes.get(path) : this.#tree.get(path);
  }

  #one(operation: Operation, session: string): string | Omit<Conflict, "index"> {
    if (operation.type === "create") return this.#create(operation, session);
    const { path } = operation;
    const record = this.#get(path);
    if (record === undefined) return { conflict: "missing", path };
    if (operation.version !== undefined && operation.version !== record.version) return { conflict: "version", path };
    if (operation.type === "write")
      this.#changes.set(path, { ...record, data: operation.data, version: record.version + 1 });
    if (operation.type !== "remove") return path;
    if (path === rootPath || this.#hasChildren(path)) return { conflict: "has-children", path };
    this.#changes.set(path, undefined);
    return path;
  }

  #create(
    { path: asked, data, isEphemeral = false, isSequential = false }: Operation & { readonly type: "create" },
    session: string,
  ): string | Omit<Conflict, "index"> {
    const above = parentOf(asked);
    const parent = this.#get(above);
    if (parent === undefined) return { conflict: "missing", path: above };
    if (parent.owner !== undefined) return { conflict: "parent-is-ephemeral", path: above };
    const path = isSequential ? asked + String(parent.next).padStart(10, "0") : asked;
    if (this.#get(path) !== undefined) return { conflict: "exists", path };
    if (isSequential) this.#changes.set(above, { ...parent, next: parent.next + 1 });
    this.#changes.set(path, { data, version: 0, next: 0, owner: isEphemeral ? session : undefined });
    return path;
  }

  #hasChildren(path: string): boolean {
    for (const name of this.#tree.children(path))
      if (this.#get(path === rootPath ? `/${name}` : `${path}/${name}`) !== undefined) return true;
    for (const [changed, record] of this.#changes)
      if (record !== undefined && changed !== rootPath && parentOf(changed) === path) return true;
    return false;
  }
}
