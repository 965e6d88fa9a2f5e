import fc from "fast-check";
import { expect, test } from "vitest";
import { formatDatabase, type DatabaseAddress } from "#shared/fellows/database-address.ts";
import { activeDatabases, directoryChanges, type DatabaseRow } from "#shared/fellows/database-directory.ts";

const defaults = { port: 12_345, dbType: "mongodb" };
const hostOf = (number: number): DatabaseAddress => ({ host: `db-${number}`, port: 1, dbType: "mongodb" });

/** What a store would hold after those rows were written. */
function written(rows: readonly DatabaseRow[], changes: readonly DatabaseRow[]): readonly DatabaseRow[] {
  const byKey = new Map(rows.map((row) => [formatDatabase(row), row]));
  for (const row of changes) byKey.set(formatDatabase(row), row);
  return [...byKey.values()];
}

test("[U20] entries of the coordinator and db-servers are one list, each database once", () => {
  const entries = ["a:1:mongodb", "b:1:mongodb", "nonsense"];
  expect(activeDatabases(entries, ["b:1", "c", "c:12345:mongodb", "?"], defaults)).toEqual({
    databases: [
      { host: "a", port: 1, dbType: "mongodb" },
      { host: "b", port: 1, dbType: "mongodb" },
      { host: "c", port: 12_345, dbType: "mongodb" },
    ],
    refused: ["nonsense", "?"],
  });
  expect(activeDatabases([], [], defaults)).toEqual({ databases: [], refused: [] });
});

test("[U4] a server that is gone keeps its row, and is found again when it returns", () => {
  let rows = written([], directoryChanges([], [hostOf(1)], 100));
  expect(rows).toEqual([{ ...hostOf(1), firstSeen: 100, lastSeen: 100, active: true }]);
  rows = written(rows, directoryChanges(rows, [], 200));
  expect(rows).toEqual([{ ...hostOf(1), firstSeen: 100, lastSeen: 100, active: false }]);
  expect(directoryChanges(rows, [], 300)).toEqual([]);
  rows = written(rows, directoryChanges(rows, [hostOf(1)], 400));
  expect(rows).toEqual([{ ...hostOf(1), firstSeen: 100, lastSeen: 400, active: true }]);
});

test("[U4] the directory holds every server ever seen, and says of each whether it is there", () => {
  const list = fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { maxLength: 6 });
  const look = fc.record({ present: list, nowMs: fc.integer({ min: 0, max: 50 }) });
  fc.assert(
    fc.property(fc.array(look, { minLength: 1, maxLength: 10 }), (looks) => {
      let rows: readonly DatabaseRow[] = [];
      for (const { present, nowMs } of looks) rows = written(rows, directoryChanges(rows, present.map(hostOf), nowMs));
      const numbers = [...new Set(looks.flatMap(({ present }) => present))];
      expect(rows.map(({ host }) => host).toSorted()).toEqual(numbers.map((number) => `db-${number}`).toSorted());
      for (const row of rows) {
        const seen = looks.filter(({ present }) => present.some((number) => `db-${number}` === row.host));
        expect(row.firstSeen).toBe(Math.min(...seen.map(({ nowMs }) => nowMs)));
        expect(row.lastSeen).toBe(Math.max(...seen.map(({ nowMs }) => nowMs)));
        expect(row.active).toBe(seen.at(-1) === looks.at(-1));
      }
    }),
  );
});
