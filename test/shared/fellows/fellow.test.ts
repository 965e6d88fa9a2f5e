import fc from "fast-check";
import { expect, test } from "vitest";
import { formatFellow, parseFellow } from "#shared/fellows/fellow.ts";
import { fellowOf } from "../../fakes/made-fellows.ts";

test("[U11] [U22] [U23] a fellow's entry says its hostname, its UUID and where it listens", () => {
  const fellow = fellowOf(7);
  expect(JSON.parse(formatFellow(fellow))).toEqual({
    uuid: fellow.uuid,
    hostname: "server-7",
    mqtt: "10.0.0.7:5432",
  });
  expect(parseFellow(formatFellow(fellow))).toEqual(fellow);
});

test("[U-T12] an entry that is none is refused, whatever it is", () => {
  const good = { uuid: fellowOf(7).uuid, hostname: "a", mqtt: "a:1" };
  expect(parseFellow(JSON.stringify({ ...good, later: [1] }))).toMatchObject({ hostname: "a" });
  const bad = [{ hostname: "a/b" }, { uuid: "7" }, { mqtt: "a" }, { hostname: 7 }, { more: "x".repeat(5_000) }];
  for (const change of bad) expect(parseFellow(JSON.stringify({ ...good, ...change }))).toBeUndefined();
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      expect(parseFellow(text)).toBeUndefined();
    }),
  );
});
