// Numbers for texts that stand in many rows. What was looked up lately is remembered; the table knows all.
import { assert } from "#shared/assert.ts";
import type { SqlDatabase, SqlStatement } from "#shared/system/sql-database.ts";
import { RecentMap } from "./recent-map.ts";
import { numberOf, onlyNumber, textOf } from "./sql-values.ts";

/** Numbers that hold once `statements` are committed. */
export interface Numbering {
  of(text: string): number;
  /** Whether the text has a number only from now on. */
  isNew(text: string): boolean;
  readonly statements: readonly SqlStatement[];
}

const rememberedMax = 32_768;
const textsPerQuery = 64;

export class TextDictionary {
  readonly #database: SqlDatabase;
  readonly #remembered = new RecentMap<string, number>(rememberedMax);
  #lastId: number | undefined;

  constructor(database: SqlDatabase) {
    this.#database = database;
  }

  async find(text: string): Promise<number | undefined> {
    return (await this.#known([text])).get(text);
  }

  /** Numbers for all `texts`. One caller at a time, who then says `keep` or `forget`. */
  async number(texts: ReadonlySet<string>): Promise<Numbering> {
    const known = await this.#known([...texts]);
    const added: (readonly [number, string])[] = [];
    this.#lastId ??= onlyNumber(await this.#database.query("SELECT ifnull(max(id), 0) AS n FROM text", []));
    let lastId = this.#lastId;
    const firstNew = lastId + 1;
    for (const text of texts) {
      if (known.has(text)) continue;
      known.set(text, ++lastId);
      added.push([lastId, text]);
    }
    const of = (text: string): number => {
      const id = known.get(text);
      assert(id !== undefined, "a text that was asked for has a number");
      return id;
    };
    const statements = added.length === 0 ? [] : [{ sql: "INSERT INTO text(id, text) VALUES (?, ?)", params: added }];
    return { of, isNew: (text) => of(text) >= firstNew, statements };
  }

  /** The numbering is committed. */
  keep({ statements }: Numbering): void {
    for (const { params } of statements) {
      for (const [id, text] of params) {
        this.#remembered.set(String(text), Number(id));
        this.#lastId = Number(id);
      }
    }
  }

  /** A numbering was not committed, as far as anybody knows. */
  forget(): void {
    this.#remembered.clear();
    this.#lastId = undefined;
  }

  async #known(texts: readonly string[]): Promise<Map<string, number>> {
    const known = new Map<string, number>();
    const unknown: string[] = [];
    for (const text of texts) {
      const id = this.#remembered.get(text);
      if (id === undefined) unknown.push(text);
      else known.set(text, id);
    }
    for (let at = 0; at < unknown.length; at += textsPerQuery) {
      // Always the same number of places: one prepared statement. NULL equals nothing.
      const portion = Array.from({ length: textsPerQuery }, (_, place) => unknown[at + place] ?? null);
      for (const row of await this.#database.query(lookUp, portion)) {
        const [text, id] = [textOf(row, "text"), numberOf(row, "id")];
        known.set(text, id);
        this.#remembered.set(text, id);
      }
    }
    return known;
  }
}

const lookUp = `SELECT id, text FROM text WHERE text IN (${Array.from({ length: textsPerQuery }, () => "?").join(", ")})`;
