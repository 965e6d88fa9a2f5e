import fc from "fast-check";
import { expect, test } from "vitest";
import {
  formatHexId,
  formatUniqueId,
  isSameId,
  parseHexId,
  parseUniqueId,
  type UniqueId,
} from "#shared/registry/unique-id.ts";
import { madeId, madeUuid } from "./made-device.ts";

const uint32 = (value: number): UniqueId => ({ type: "uint32", value });

test("[U1] every form of an id reads back as that id", () => {
  fc.assert(
    fc.property(madeId, (id) => {
      expect(parseUniqueId(formatUniqueId(id))).toEqual(id);
      expect(parseHexId(formatHexId(id))).toEqual(id);
      if (id.type === "uint32") expect(parseUniqueId(id.value)).toEqual(id);
    }),
  );
});

test('[U1] [U-T15] 1, "1" and 0x1 are one id; a uuid is another kind, in any case of its letters', () => {
  expect([1, 1n, "1", "0x1", "0x00000001"].map(parseUniqueId)).toEqual(Array.from({ length: 5 }, () => uint32(1)));
  fc.assert(
    fc.property(madeUuid, (uuid) => {
      expect(parseUniqueId(uuid.toUpperCase())).toEqual({ type: "uuid", value: uuid });
      expect(parseHexId(uuid.replaceAll("-", ""))).toEqual({ type: "uuid", value: uuid });
    }),
  );
});

test("[U1] two ids are the same where their keys are", () => {
  fc.assert(
    fc.property(madeId, madeId, (a, b) => {
      expect(isSameId(a, b)).toBe(formatUniqueId(a) === formatUniqueId(b));
      expect(isSameId(a, { ...a })).toBe(true);
    }),
  );
});

test("[U1] what is no id is none", () => {
  const none = [-1, 2 ** 32, 1.5, NaN, Infinity, -1n, "", " 1", "01", "-1", "4294967296", "1e3", "0x", "0x123456789"];
  const others = ["light", null, undefined, true, {}, "00000000-0000-0000-0000-00000000000"];
  expect([...none, ...others].filter((given) => parseUniqueId(given) !== undefined)).toEqual([]);
  expect(["", "xyz", "123456789", "0x1", "f".repeat(33)].filter((text) => parseHexId(text) !== undefined)).toEqual([]);
  expect(formatUniqueId(parseUniqueId(-0) ?? uint32(9))).toBe("0");
});
