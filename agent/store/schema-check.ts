// Whether a database has the schema that its migrations make. SQLite minds only that the text of a schema can be parsed: a damaged
// letter in it gives a table another column, and shows when a statement is prepared.
import { DatabaseSync } from "node:sqlite";

/** What a schema says of each table and index: its table and its text, by type and name. */
export type Schema = ReadonlyMap<string, string>;

/** One row of `sqlite_schema`. */
export interface SchemaEntry {
  readonly type: unknown;
  readonly name: unknown;
  readonly owner: unknown;
  readonly sql: unknown;
}

/** The schema before the first of `migrations`, and after each of them. */
export function schemasOf(migrations: readonly string[]): readonly Schema[] {
  using database = new DatabaseSync(":memory:");
  const schemas: Schema[] = [new Map()];
  for (const script of migrations) {
    database.exec(script);
    schemas.push(schemaOf(entriesIn(database)));
  }
  return schemas;
}

/** What is not as the first `version` migrations made it; undefined: all is. Tables that somebody else has added are nobody's business. */
export function schemaFault(database: DatabaseSync, schemas: readonly Schema[], version: number): string | undefined {
  const found = schemaOf(entriesIn(database));
  const expected = schemas[version] ?? new Map<string, string>();
  for (const [title, text] of expected) {
    if (found.get(title) !== text) return `the schema of ${title} is another one`;
  }
  const early = [...found.keys()].find((title) => !expected.has(title) && schemas.at(-1)?.has(title));
  return early === undefined ? undefined : `it has ${early}, which schema version ${version} has not`;
}

/**
 * The version whose schema agrees best with what is readable of one: `stated` when nothing speaks against it, however much is missing,
 * or when it is as good as any. Undefined: none does.
 */
export function versionLike(
  entries: Iterable<SchemaEntry>,
  schemas: readonly Schema[],
  stated: number,
): number | undefined {
  const found = schemaOf(entries);
  const agreements = schemas.map((schema) => {
    const same = [...found].filter(([title, text]) => schema.get(title) === text).length;
    return 2 * same - schema.size;
  });
  const best = Math.max(...agreements.slice(1));
  const isAny = schemas.some((schema) => [...schema.keys()].some((title) => found.has(title)));
  if (!isAny) return undefined;
  // With a page of the schema gone, what is left may look like an older version: its tables lack columns that the rows have.
  const isKnown = (title: string): boolean => schemas.some((schema) => schema.has(title));
  const told = schemas[stated];
  if (told !== undefined && [...found].every(([title, text]) => !isKnown(title) || told.get(title) === text))
    return stated;
  return stated > 0 && agreements[stated] === best ? stated : agreements.lastIndexOf(best);
}

function entriesIn(database: DatabaseSync): readonly SchemaEntry[] {
  const rows = database.prepare("SELECT type, name, tbl_name AS owner, sql FROM sqlite_schema").all();
  return rows.map(({ type, name, owner, sql }) => ({ type, name, owner, sql }));
}

function schemaOf(entries: Iterable<SchemaEntry>): Schema {
  const schema = new Map<string, string>();
  for (const { type, name, owner, sql } of entries)
    schema.set(`${String(type)} ${String(name)}`, `${String(owner)} ${String(sql)}`);
  return schema;
}
