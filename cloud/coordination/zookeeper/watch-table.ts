// The watches of a session, as a value: who is to be told of what. Paths are the server's.
import type { NodeEventType, WatchedPaths } from "./protocol.ts";

/**
 * `data`, `exist`, `child`: fire once. A read of a node's data sets `data`, of its children `child`; a look at a node that is not there
 * sets `exist`. `persistent` fires for the node, `recursive` for it and all below, until removed.
 */
export type WatchKind = keyof WatchedPaths;

interface WatchEntry {
  readonly kind: WatchKind;
  readonly path: string;
  /** Numbers of those to be told. */
  readonly watches: readonly number[];
}

export interface WatchTable {
  readonly entries: ReadonlyMap<string, WatchEntry>;
  /** Of all entries together. */
  readonly count: number;
}

export const noWatches: WatchTable = { entries: new Map(), count: 0 };

/** Which kinds an event fires of those that fire once. */
const firedOnce: Readonly<Record<NodeEventType, readonly WatchKind[]>> = {
  created: ["data", "exist"],
  deleted: ["data", "exist", "child"],
  data: ["data", "exist"],
  children: ["child"],
};

export function isOneShot(kind: WatchKind): boolean {
  return kind !== "persistent" && kind !== "recursive";
}

export function withWatch(table: WatchTable, kind: WatchKind, path: string, watch: number): WatchTable {
  const key = keyOf(kind, path);
  const watches = table.entries.get(key)?.watches ?? [];
  if (watches.includes(watch)) return table;
  const entries = new Map(table.entries).set(key, { kind, path, watches: [...watches, watch] });
  return { entries, count: table.count + 1 };
}

/** Without one that nobody waits for any more. */
export function withoutWatch(table: WatchTable, watch: number): WatchTable {
  for (const [key, entry] of table.entries) {
    if (!entry.watches.includes(watch)) continue;
    const watches = entry.watches.filter((other) => other !== watch);
    const entries = new Map(table.entries);
    if (watches.length === 0) entries.delete(key);
    else entries.set(key, { ...entry, watches });
    return { entries, count: table.count - 1 };
  }
  return table;
}

/** Those to be told of an event, and the table without those that fire once. */
export function fired(table: WatchTable, type: NodeEventType, path: string): readonly [WatchTable, readonly number[]] {
  const told: number[] = [];
  const spent: string[] = [];
  for (const kind of firedOnce[type]) {
    const entry = table.entries.get(keyOf(kind, path));
    if (entry === undefined) continue;
    told.push(...entry.watches);
    spent.push(keyOf(kind, path));
  }
  told.push(...(table.entries.get(keyOf("persistent", path))?.watches ?? []));
  if (type !== "children") told.push(...watchesAbove(table, path));
  return [without(table, spent), told];
}

/** All that fire once, and the table without them. */
export function withoutOneShots(table: WatchTable): readonly [WatchTable, readonly WatchEntry[]] {
  const spent = [...table.entries].filter(([, { kind }]) => isOneShot(kind));
  return [
    without(
      table,
      spent.map(([key]) => key),
    ),
    spent.map(([, entry]) => entry),
  ];
}

/** Those that do not fire once. */
export function lastingEntries(table: WatchTable): readonly WatchEntry[] {
  return [...table.entries.values()].filter(({ kind }) => !isOneShot(kind));
}

export function watchedPaths(table: WatchTable): WatchedPaths {
  const paths = { data: [], exist: [], child: [], persistent: [], recursive: [] } satisfies WatchedPaths as Record<
    WatchKind,
    string[]
  >;
  for (const { kind, path } of table.entries.values()) paths[kind].push(path);
  return paths;
}

function watchesAbove(table: WatchTable, path: string): readonly number[] {
  const found = [...(table.entries.get(keyOf("recursive", path))?.watches ?? [])];
  for (
    let end = path.lastIndexOf("/");
    end >= 0 && path !== "/";
    end = end === 0 ? -1 : path.lastIndexOf("/", end - 1)
  ) {
    const ancestor = end === 0 ? "/" : path.slice(0, end);
    found.push(...(table.entries.get(keyOf("recursive", ancestor))?.watches ?? []));
  }
  return found;
}

function without(table: WatchTable, keys: readonly string[]): WatchTable {
  if (keys.length === 0) return table;
  const entries = new Map(table.entries);
  let { count } = table;
  for (const key of keys) {
    count -= entries.get(key)?.watches.length ?? 0;
    entries.delete(key);
  }
  return { entries, count };
}

function keyOf(kind: WatchKind, path: string): string {
  return `${kind}:${path}`;
}
