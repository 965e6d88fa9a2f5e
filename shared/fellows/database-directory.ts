// The directory of database servers [U4] [U20]: who is there now, from the ephemeral entries of the coordinator and `db-servers` of the
// configuration, and a row for every one that was ever there.
import { formatDatabase, parseDatabase, type DatabaseAddress, type DatabaseDefaults } from "./database-address.ts";

/** A row of `nosqlServers`. Never deleted. Times: milliseconds since 1970. */
export interface DatabaseRow extends DatabaseAddress {
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly active: boolean;
}

export interface ActiveDatabases {
  /** Each once, those of the coordinator first. */
  readonly databases: readonly DatabaseAddress[];
  /** Texts that name no database, to be told. */
  readonly refused: readonly string[];
}

/** `entries`: of the coordinator, empty without one. `configured`: `db-servers`. */
export function activeDatabases(
  entries: readonly string[],
  configured: readonly string[],
  defaults: DatabaseDefaults,
): ActiveDatabases {
  const databases = new Map<string, DatabaseAddress>();
  const refused: string[] = [];
  const add = (text: string, database: DatabaseAddress | undefined): void => {
    const key = database === undefined ? undefined : formatDatabase(database);
    if (database === undefined || key === undefined) refused.push(text);
    else if (!databases.has(key)) databases.set(key, database);
  };
  for (const text of entries) add(text, parseDatabase(text));
  for (const text of configured) add(text, parseDatabase(text, defaults));
  return { databases: [...databases.values()], refused };
}

/** Rows to be written, in no order: new ones, and those that were active or are. */
export function directoryChanges(
  rows: readonly DatabaseRow[],
  active: readonly DatabaseAddress[],
  nowMs: number,
): readonly DatabaseRow[] {
  const known = new Map(rows.map((row) => [formatDatabase(row), row]));
  const present = new Map(active.map((database) => [formatDatabase(database), database]));
  const seen = [...present].map(([key, database]): DatabaseRow => {
    const { firstSeen = nowMs, lastSeen = nowMs } = known.get(key) ?? {};
    // Two servers write the same rows, and their clocks differ.
    return { ...database, firstSeen: Math.min(firstSeen, nowMs), lastSeen: Math.max(lastSeen, nowMs), active: true };
  });
  const gone = [...known].filter(([key, row]) => row.active && !present.has(key));
  return [...seen, ...gone.map(([, row]) => ({ ...row, active: false }))];
}
