import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { ChildRepository, type ChildRow } from "#agent/store/child-repository.ts";
import { encodeCbor } from "#shared/cbor.ts";
import { parseNodeName } from "#shared/ids.ts";

function opened() {
  const database = new DatabaseSync(":memory:");
  database.exec(
    "CREATE TABLE child(name TEXT PRIMARY KEY, uuid TEXT, session INTEGER, conn INTEGER, place BLOB, state TEXT, since_ms INTEGER)",
  );
  return { database, children: new ChildRepository(database) };
}

function child(name: string, place: ChildRow["place"]): ChildRow {
  return { name: parseNodeName(name), uuid: name, session: 1, conn: 1, place, state: "lost", sinceMs: 5 };
}

test("[J8] a child's place is kept, with what is known of it and what is not", () => {
  const { children } = opened();
  const rows = [
    child("a", { level: "device", zone: "hall", tags: ["x"], site: { lat: 52.5, lon: undefined, class: "pump" } }),
    child("b", { level: "fog", zone: undefined, tags: [], site: { lat: undefined, lon: undefined, class: undefined } }),
    child("c", { level: "fog", zone: undefined, tags: [] }),
    { ...child("d", { level: "device", zone: undefined, tags: [] }), isLeaf: true },
  ];
  for (const row of rows) children.put(row);
  expect(children.all()).toEqual(rows);
});

test("a row whose place is no longer readable is a child all the same", () => {
  const { database, children } = opened();
  children.put(child("a", { level: "fog", zone: "hall", tags: [] }));
  database.prepare("UPDATE child SET place = ?").run(encodeCbor(["fog", "hall", [], [200]]));
  expect(children.all()).toEqual([child("a", { level: "fog", zone: "hall", tags: [] })]);
});
