import { expect, test } from "vitest";
import { identityFault, type OwnNumbers } from "#shared/link/identity-check.ts";

const present = 9;
const own: OwnNumbers = { epoch: present, streamId: 1, high: 20, offered: 20, isWaiting: false };
const mark = { epoch: present, streamId: 1, last: 20, items: 3, crc: 7 };
const held = { epoch: present, streamId: 1, ranges: [[1, 20]] as const, mark };
const more = { ...held, ranges: [[1, 21]] as const };
const [copy, clone] = ["older-copy", "clone"] as const;

test.each([
  ["no more than was given, no checksum known", own, held, [], undefined],
  ["the same checksum", own, held, [mark], undefined],
  ["more than was given", own, more, [], copy],
  ["what was only numbered while there was no parent", { ...own, offered: 19 }, held, [], copy],
  ["nothing numbered since the copy was made, and the next number is one that the parent has", own, more, [], copy],
  ["a stream that was never described", own, { ...held, streamId: 2 }, [], copy],
  ["another checksum", own, held, [{ ...mark, crc: 8 }], clone],
  ["segments that were cut otherwise prove nothing", own, held, [{ ...mark, items: 4, crc: 8 }], undefined],
  ["other numbers prove nothing", own, held, [{ ...mark, last: 19, crc: 8 }], undefined],
  ["a checksum of another epoch proves nothing", own, held, [{ ...mark, epoch: 8, crc: 8 }], undefined],
] as const)("of the present epoch: %s", (_what, numbers, holding, known, expected) => {
  const epoch = present;
  expect(identityFault(epoch, [numbers], [holding], known)).toEqual(expected && { fault: expected, epoch });
});

const waiting: OwnNumbers = { ...own, epoch: 8, isWaiting: true };
const [heldThen, moreThen, markThen] = [
  { ...held, epoch: 8 },
  { ...more, epoch: 8 },
  { ...mark, epoch: 8 },
];

test.each([
  ["numbers that were given since anything was sent", { ...waiting, offered: 19 }, moreThen, [], copy],
  [
    "the parent has none of those",
    { ...waiting, offered: 19 },
    { ...heldThen, ranges: [[1, 19]] as const },
    [],
    undefined,
  ],
  ["none was given since: the copy has what the other one had", waiting, moreThen, [], undefined],
  ["nothing of it waits", { ...waiting, offered: 19, isWaiting: false }, moreThen, [], undefined],
  ["nothing of it is known here", own, moreThen, [], undefined],
  ["another checksum", waiting, heldThen, [{ ...markThen, crc: 8 }], clone],
  [
    "another checksum, and nothing of it waits",
    { ...waiting, isWaiting: false },
    heldThen,
    [{ ...markThen, crc: 8 }],
    undefined,
  ],
] as const)("of an epoch that is over: %s", (_what, numbers, holding, known, expected) => {
  expect(identityFault(present, [numbers], [holding], known)).toEqual(expected && { fault: expected, epoch: 8 });
});
