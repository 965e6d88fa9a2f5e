import fc from "fast-check";
import { expect, test } from "vitest";
import { isHost } from "#shared/fellows/address.ts";
import { formatDatabase, parseDatabase } from "#shared/fellows/database-address.ts";

const defaults = { port: 12_345, dbType: "mongodb" };

test("[U25] as the document's author wrote it", () => {
  expect(parseDatabase("10.0.0.3:12345:mongodb")).toEqual({ host: "10.0.0.3", port: 12_345, dbType: "mongodb" });
  expect(parseDatabase("[fe80::3]:1:sqlite")).toEqual({ host: "fe80::3", port: 1, dbType: "sqlite" });
});

test("[U11] [U25] an address reads back as it was written", () => {
  const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6()).filter(isHost);
  const dbType = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);
  fc.assert(
    fc.property(host, fc.integer({ min: 1, max: 65_535 }), dbType, (name, port, kind) => {
      const database = { host: name, port, dbType: kind };
      expect(parseDatabase(formatDatabase(database))).toEqual(database);
      expect(parseDatabase(formatDatabase(database), defaults)).toEqual(database);
    }),
  );
});

test("[U16] [U25] db-servers may leave out the kind, or kind and port", () => {
  const of = (text: string): unknown => parseDatabase(text, defaults);
  expect(of("db-1")).toEqual({ host: "db-1", port: 12_345, dbType: "mongodb" });
  expect(of("db-1:27017")).toEqual({ host: "db-1", port: 27_017, dbType: "mongodb" });
  expect(of("[::1]")).toEqual({ host: "::1", port: 12_345, dbType: "mongodb" });
  expect(of("[::1]:2")).toEqual({ host: "::1", port: 2, dbType: "mongodb" });
});

test("[U25] what is no database is refused, from the coordinator also what is incomplete", () => {
  const bad = [
    "",
    "a",
    "a:1",
    ":1:mongodb",
    "a:0:mongodb",
    "a:1:",
    "a:1:Mongo",
    "a:x:mongodb",
    "a b:1:mongodb",
    "a:1:m\n",
  ];
  expect(bad.filter((text) => parseDatabase(text) !== undefined)).toEqual([]);
  const never = ["", "::1", "a:0", "a b", "[a]", "a:1:", "a:1:Mongo", `a:1:${"m".repeat(65)}`];
  expect(never.filter((text) => parseDatabase(text, defaults) !== undefined)).toEqual([]);
  fc.assert(
    fc.property(fc.string(), (text) => {
      const parsed = parseDatabase(text, defaults);
      if (parsed !== undefined) expect(parseDatabase(formatDatabase(parsed))).toEqual(parsed);
      else expect(parseDatabase(text)).toBeUndefined();
    }),
  );
});
