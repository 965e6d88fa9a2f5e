// DocumentStore on a SqlDatabase: for a root without a database server. A segment is one row, as it stood in the journal; filters
// find blocks (block-filters.ts), and messages are found in them by decoding.
import type { DocumentStore } from "#shared/system/document-store.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import type { SqlDatabase, SqlRow } from "#shared/system/sql-database.ts";
import { BlockChecker } from "./block-check.ts";
import { findData } from "./block-pages.ts";
import { allHoldings, findSpans } from "./block-spans.ts";
import { BlockWriter } from "./block-writer.ts";
import { onlyNumber } from "./sql-values.ts";
import { TextDictionary } from "./text-dictionary.ts";

/** Owns `database`, which has `documentMigrations`: disposing the store closes it. Nobody else writes to it. */
export function createSqliteStore(database: SqlDatabase, hasher: Hasher): DocumentStore {
  const dictionary = new TextDictionary(database);
  const checker = new BlockChecker(database, hasher);
  const writer = new BlockWriter(database, dictionary, (body) => checker.crcOf(body));
  const isSound = (row: SqlRow): boolean => checker.meet(row);
  return {
    insertBlocks: (blocks) => writer.insert(blocks),
    findData: (query) => findData(database, dictionary, query, isSound),
    async countData(origin, epoch, stream) {
      const key = [await dictionary.find(origin), epoch, await dictionary.find(stream)];
      const sql = "SELECT ifnull(sum(items), 0) AS n FROM block WHERE origin = ? AND epoch = ? AND stream = ?";
      return onlyNumber(
        await database.query(
          sql,
          key.map((part) => part ?? null),
        ),
      );
    },
    spans: (query) => findSpans(database, dictionary, query, isSound),
    holdings: () => allHoldings(database),
    checkBlocks: (after) => checker.check(after),
    onDamaged: (listener) => checker.onDamaged(listener),
    discardBlock: (arrival) => checker.discard(arrival),
    instance: async () => onlyNumber(await database.query("SELECT instance AS n FROM store", [])),
    async lastArrival() {
      const sql = "SELECT ifnull((SELECT id + items - 1 FROM block ORDER BY id DESC LIMIT 1), 0) AS n";
      return onlyNumber(await database.query(sql, []));
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}
