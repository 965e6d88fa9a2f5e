import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeCbor, encodeCbor } from "#shared/cbor.ts";
import { Malformed } from "#shared/link/fields.ts";
import { packSite, readSite, type NodeSite } from "#shared/link/node-site.ts";

const overWire = (value: unknown): unknown => decodeCbor(encodeCbor(value))?.value;

test("[J8] what a node has and what it has not both arrive; nothing at all means that it is not known", () => {
  const degrees = fc.double({ min: -90, max: 90, noNaN: true }).map((value) => value + 0);
  const site: fc.Arbitrary<NodeSite> = fc.record({
    lat: fc.option(degrees, { nil: undefined }),
    lon: fc.option(fc.constantFrom(-180, 0, 13.4, 180), { nil: undefined }),
    class: fc.option(fc.constantFrom("pump", "x".repeat(64)), { nil: undefined }),
  });
  fc.assert(
    fc.property(site, (sent) => {
      expect(readSite(overWire(packSite(sent)))).toEqual({ site: sent });
    }),
  );
  expect(packSite({ lat: undefined, lon: undefined, class: undefined })).toEqual([]);
  expect(readSite(undefined)).toEqual({});
  expect(readSite(null)).toEqual({});
});

test.each([
  [[91]],
  [[null, 180.5]],
  [[Number.NaN]],
  [["1"]],
  [[1, 2, 3]],
  [[1, 2, "x".repeat(65)]],
  [{}],
  ["pump"],
  [[1, 2, "a", 4, 5, 6, 7, 8, 9]],
])("a site that is none is refused: %j", (value) => {
  expect(() => readSite(value)).toThrow(Malformed);
});
