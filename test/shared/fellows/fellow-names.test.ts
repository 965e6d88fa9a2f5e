import { expect, test } from "vitest";
import {
  isClusterName,
  isHostname,
  parseClusterName,
  parseFellowId,
  parseHostname,
} from "#shared/fellows/fellow-names.ts";

test("[U-T12] a hostname that is no single topic level is refused", () => {
  const refused = ["", "a/b", "/a", "a+", "+", "#", "a b", "a\u0000", "a\n", "\ud800", "é".repeat(65), "x".repeat(129)];
  expect(refused.filter((text) => isHostname(text) || isClusterName(text))).toEqual([]);
  for (const text of refused) {
    expect(() => parseHostname(text)).toThrowError(expect.objectContaining({ code: "FOGBANK_NAME_INVALID" }));
    expect(() => parseClusterName(text)).toThrowError(expect.objectContaining({ code: "FOGBANK_NAME_INVALID" }));
  }
});

test("[U-T11] names are kept as they are written", () => {
  for (const text of ["10.0.0.1", "Server-A", "fe80::1", "é".repeat(64), "x".repeat(128), "machine"]) {
    expect(parseHostname(text)).toBe(text);
  }
});

test("[U30] a hostname cannot be the UUID path of another server", () => {
  expect(isHostname("00000000-0000-4000-8000-00000000000a")).toBe(false);
  expect(isHostname("00000000-0000-4000-8000-00000000000A")).toBe(false);
});

test("[U-T12] a cluster's name does not begin with a dollar sign", () => {
  expect(isClusterName("$fog")).toBe(false);
  expect(isClusterName("bigones")).toBe(true);
});

test("[U23] a server's UUID has one form", () => {
  const uuid = "0123abcd-0000-4000-8000-00000000000a";
  expect(parseFellowId(uuid)).toBe(uuid);
  for (const text of [uuid.toUpperCase(), uuid.replaceAll("-", ""), `{${uuid}}`, `${uuid}\n`])
    expect(() => parseFellowId(text)).toThrowError(expect.objectContaining({ code: "FOGBANK_NAME_INVALID" }));
});
