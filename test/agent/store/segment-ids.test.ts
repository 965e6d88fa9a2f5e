import fc from "fast-check";
import { expect, test } from "vitest";
import { inMemory, openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { SegmentIds } from "#agent/store/segment-ids.ts";

/** What happens to a database that gives ids. */
type Deed = "give" | "commit" | "roll back" | "crash" | "raise";

const deed = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Deed>("give") },
  { weight: 1, arbitrary: fc.constantFrom<Deed>("commit", "roll back", "crash", "raise") },
);

test("no id is given twice or below one that was given, whatever is rolled back or lost with the process", () => {
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 60 }), (deeds) => {
      const database = openDatabase(inMemory, { migrations: nodeMigrations, cacheBytes: 1_000_000 });
      let ids = new SegmentIds(database);
      let highest = 0;
      /** Of what has been committed, in the order in which it was given. */
      const kept: number[] = [];
      let given: number[] = [];
      const end = (how: "COMMIT" | "ROLLBACK"): void => {
        if (!database.isTransaction) return;
        database.exec(how);
        if (how === "COMMIT") kept.push(...given);
        else ids.rolledBack();
        given = [];
      };
      for (const next of deeds) {
        if (next === "commit") end("COMMIT");
        else if (next === "roll back") end("ROLLBACK");
        else if (next === "crash") {
          end("ROLLBACK");
          ids = new SegmentIds(database);
          highest = kept.at(-1) ?? 0;
          expect(ids.newest()).toBeGreaterThanOrEqual(highest);
        } else {
          if (!database.isTransaction) database.exec("BEGIN");
          if (next === "raise") ids.raise(highest + 3);
          const id = ids.next();
          expect(id).toBeGreaterThan(next === "raise" ? highest + 3 : highest);
          expect(ids.newest()).toBe(id);
          highest = id;
          given.push(id);
        }
      }
      end("COMMIT");
      expect(kept).toEqual([...new Set(kept)].toSorted((a, b) => a - b));
      database.close();
    }),
  );
});
