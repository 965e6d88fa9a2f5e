import fc from "fast-check";
import { expect, test } from "vitest";
import { formatAddress, isHost, parseAddress } from "#shared/fellows/address.ts";

test("[U11] an address reads back as it was written", () => {
  const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6()).filter(isHost);
  fc.assert(
    fc.property(host, fc.integer({ min: 1, max: 65_535 }), (name, port) => {
      expect(parseAddress(formatAddress({ host: name, port }))).toEqual({ host: name, port });
    }),
  );
});

test("[U11] IPv6 stands in brackets", () => {
  expect(formatAddress({ host: "::1", port: 1883 })).toBe("[::1]:1883");
  expect(parseAddress("[fe80::1]:5432")).toEqual({ host: "fe80::1", port: 5432 });
});

test("what is no address is refused", () => {
  const bad = [
    "",
    "a",
    "a:",
    ":1",
    "a:0",
    "a:01",
    "a:65536",
    "a:1:2",
    "[a]:1",
    "[1.2.3.4]:1",
    "::1:1",
    "a b:1",
    "a:1\n",
    "-:1",
  ];
  expect(bad.filter((text) => parseAddress(text) !== undefined)).toEqual([]);
});

test("an address of IPv6 is told from what only looks like one", () => {
  const good = ["::", "::1", "1::", "1:2:3:4:5:6:7:8", "1::8", "::ffff:10.0.0.1", "1:2:3:4:5:6:10.0.0.1"];
  const bad = [
    ":",
    ":::",
    "1:2",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "::12345",
    "::g",
    "10.0.0.1::",
    "::10.0.0",
    "::256.0.0.1",
  ];
  expect(good.filter((text) => !isHost(text))).toEqual([]);
  expect(bad.filter(isHost)).toEqual([]);
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      expect(isHost(text)).toBe(true);
    }),
  );
});
