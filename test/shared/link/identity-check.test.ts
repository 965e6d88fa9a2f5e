import { expect, test } from "vitest";
import { identityFault } from "#shared/link/identity-check.ts";

const given = new Map([[1, 20]]);
const mark = { streamId: 1, last: 20, items: 3, crc: 7 };
const held = { epoch: 9, streamId: 1, ranges: [[1, 20]] as const, mark };

test.each([
  ["no more than was given, no checksum known", [held], [], undefined],
  ["the same checksum", [held], [mark], undefined],
  ["more than was given", [{ ...held, ranges: [[1, 21]] as const }], [], "older-copy"],
  ["a stream that was never described", [{ ...held, streamId: 2 }], [], "older-copy"],
  ["another checksum", [held], [{ ...mark, crc: 8 }], "clone"],
  ["segments that were cut otherwise prove nothing", [held], [{ ...mark, items: 4, crc: 8 }], undefined],
  ["other numbers prove nothing", [held], [{ ...mark, last: 19, crc: 8 }], undefined],
  ["an epoch that is over proves nothing", [{ ...held, epoch: 8, ranges: [[1, 99]] as const }], [], undefined],
] as const)("%s", (_what, holds, known, expected) => {
  expect(identityFault(9, given, holds, known)).toBe(expected);
});
