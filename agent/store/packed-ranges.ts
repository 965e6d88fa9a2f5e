// Sets of numbers as they stand in a column: CBOR, a list of [first, last].
import { assert } from "#shared/assert.ts";
import { decodeCbor, encodeCbor } from "#shared/cbor.ts";
import { parseIntervals, type IntervalSet } from "#shared/journal/interval-set.ts";

export function packRanges(ranges: IntervalSet): Uint8Array {
  return encodeCbor(ranges.map(([first, last]) => [integerOf(first), integerOf(last)]));
}

/** As the encoder wants it: smaller ones are shorter and cheaper as plain numbers. */
function integerOf(number: number): number | bigint {
  return number <= 0xffff_ffff ? number : BigInt(number);
}

export function unpackRanges(blob: unknown): IntervalSet {
  const decoded = blob instanceof Uint8Array ? decodeCbor(blob) : undefined;
  const ranges = parseIntervals(decoded?.value, Number.MAX_SAFE_INTEGER);
  assert(ranges !== undefined, "stored ranges are well-formed");
  return ranges;
}

/** The same for a list of numbers, which must ascend. */
export function packNumbers(numbers: readonly number[]): Uint8Array {
  const ranges: [first: number, last: number][] = [];
  for (const number of numbers) {
    const newest = ranges.at(-1);
    assert(newest === undefined || newest[1] < number, "numbers ascend");
    if (newest?.[1] === number - 1) newest[1] = number;
    else ranges.push([number, number]);
  }
  return packRanges(ranges);
}

export function unpackNumbers(blob: unknown): readonly number[] {
  return unpackRanges(blob).flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
}
