// The entries of an embedded coordinator, as a value: changes are planned on it, all or none, before anything is stored. Pure.
import type { Change, Changed, RefusalReason } from "./coordinator.ts";

export interface TreeEntry {
  readonly data: Uint8Array;
  readonly version: number;
  /** The session that it ends with. */
  readonly owner: number | undefined;
  /** Entries right below it. */
  readonly children: number;
  /** The number of the next sequential entry below it; each entry that comes takes one, as with ZooKeeper. */
  readonly nextNumber: number;
}

export type EntryTree = ReadonlyMap<string, TreeEntry>;

/** What changes: an entry as it will be, or undefined when it goes. */
export type Overlay = ReadonlyMap<string, TreeEntry | undefined>;

export interface Plan {
  readonly overlay: Overlay;
  readonly results: readonly Changed[];
}

export interface PlanRefused {
  readonly index: number;
  readonly refused: RefusalReason;
}

const sequenceDigits = 10;
export const emptyEntry: TreeEntry = {
  data: new Uint8Array(0),
  version: 0,
  owner: undefined,
  children: 0,
  nextNumber: 0,
};

export function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

/** By session `owner`. Paths are valid. */
export function planChanges(tree: EntryTree, changes: readonly Change[], owner: number): Plan | PlanRefused {
  const overlay = new Map<string, TreeEntry | undefined>();
  const results: Changed[] = [];
  const entryAt = (path: string): TreeEntry | undefined => (overlay.has(path) ? overlay.get(path) : tree.get(path));
  for (const [index, change] of changes.entries()) {
    const result = planOne(change, owner, entryAt, overlay);
    if (typeof result === "string") return { index, refused: result };
    results.push(result);
  }
  return { overlay, results };
}

function planOne(
  change: Change,
  owner: number,
  entryAt: (path: string) => TreeEntry | undefined,
  overlay: Map<string, TreeEntry | undefined>,
): Changed | RefusalReason {
  if (change.type === "create") return planCreate(change, owner, entryAt, overlay);
  const { path, version } = change;
  const entry = entryAt(path);
  if (entry === undefined) return "absent";
  if (version !== undefined && version !== entry.version) return "version";
  switch (change.type) {
    case "check":
      return { path, version: entry.version };
    case "write":
      overlay.set(path, { ...entry, data: change.data, version: entry.version + 1 });
      return { path, version: entry.version + 1 };
    case "delete": {
      if (path === "/") return "not-allowed";
      if (entry.children > 0) return "not-empty";
      overlay.set(path, undefined);
      const parent = entryAt(parentOf(path)) ?? emptyEntry;
      overlay.set(parentOf(path), { ...parent, children: parent.children - 1 });
      return { path, version: -1 };
    }
  }
}

function planCreate(
  change: Change & { readonly type: "create" },
  owner: number,
  entryAt: (path: string) => TreeEntry | undefined,
  overlay: Map<string, TreeEntry | undefined>,
): Changed | RefusalReason {
  const parentPath = parentOf(change.path);
  const parent = entryAt(parentPath);
  if (parent === undefined) return "absent";
  if (parent.owner !== undefined) return "below-ephemeral";
  const number = String(parent.nextNumber).padStart(sequenceDigits, "0");
  const path = change.sequential === true ? `${change.path}${number}` : change.path;
  if (entryAt(path) !== undefined) return "exists";
  overlay.set(parentPath, { ...parent, children: parent.children + 1, nextNumber: parent.nextNumber + 1 });
  overlay.set(path, { ...emptyEntry, data: change.data, owner: change.ephemeral === true ? owner : undefined });
  return { path, version: 0 };
}
