// Which rows of a node's damaged database are to be trusted: those whose checksum, encoding and sums are right.
import { decodeCbor } from "#shared/cbor.ts";
import { isNodeName } from "#shared/ids.ts";
import {
  highestOf,
  type IntervalSet,
  missingFrom,
  countIntervals,
  parseIntervals,
} from "#shared/journal/interval-set.ts";
import { decodeSegment, segmentFlags } from "#shared/journal/segment.ts";
import { limits } from "#shared/limits.ts";
import { decodeEntries, decodeSpooled } from "#shared/mqtt/spool.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import type { SqlValue } from "#shared/system/sql-database.ts";
import type { SalvagedRow } from "./salvage-copy.ts";

/** Tables that are not named here are taken as they are. */
export function isTrustedRow(hasher: Hasher, table: string, row: SalvagedRow): boolean {
  switch (table) {
    case "meta":
      return isFact(row);
    case "origin":
      return isName(row["node"]) && isCount(row["epoch"]);
    case "stream":
      return isLedgerRow(row);
    case "segment":
      return isSegment(hasher, row);
    case "gap":
      return isNumber(row["first"]) && isCount(row["last"]) && row["first"] <= row["last"] && isCount(row["reason"]);
    case "child":
      return isName(row["name"]);
    case "below":
      return isName(row["child"]) && isName(row["node"]);
    case "session":
      return isCount(row["cursor"]) && isCount(row["last"]) && isRanges(row["done"]) && isRanges(row["released"]);
    case "subscription":
      return row["qos"] === 0 || row["qos"] === 1 || row["qos"] === 2;
    case "queue":
      return isQueueRow(row);
    case "spool_body":
      return row["kept"] === undefined || row["kept"] === null || isRanges(row["kept"]);
    case "retained":
      return row["message"] instanceof Uint8Array && decodeSpooled(row["message"], 0)?.topic === row["topic"];
    default:
      return true;
  }
}

/** A segment has a checksum over what matters, and facts have names of their own. */
export function isProven(table: string, row: SalvagedRow): boolean {
  if (table === "segment") return row["body"] instanceof Uint8Array;
  return table === "meta" && (row["key"] === "name" || row["key"] === "uuid");
}

/** What a column of ranges says, or undefined when it says nothing. */
export function rangesIn(blob: SqlValue | undefined): IntervalSet | undefined {
  const decoded = blob instanceof Uint8Array ? decodeCbor(blob) : undefined;
  return parseIntervals(decoded?.value, Number.MAX_SAFE_INTEGER);
}

function isFact({ key, value }: SalvagedRow): boolean {
  if (key === "name") return isName(value);
  if (key === "uuid") return typeof value === "string" && value !== "";
  return typeof key === "string" && (!key.startsWith("cursor-") || isCount(value));
}

/** The sums of a row are its checksum: what does not balance is made again from the segments. */
function isLedgerRow(row: SalvagedRow): boolean {
  const { high, delivered, lost, held, held_bytes: heldBytes } = row;
  const ranges = rangesIn(row["ranges"]);
  if (ranges === undefined || !isCount(high) || !isCount(delivered) || !isCount(lost) || !isCount(held)) return false;
  if (!isCount(heldBytes) || !isPriority(row["priority"]) || row["name"] === "") return false;
  if (highestOf(ranges) > high) return false;
  const missing = high === 0 ? 0 : countIntervals(missingFrom(ranges, 1, high));
  return delivered + lost + held + missing === high;
}

function isSegment(hasher: Hasher, row: SalvagedRow): boolean {
  const { first, items, flags, body, crc } = row;
  if (!isNumber(first) || !isNumber(items) || !isCount(flags) || !isPriority(row["priority"])) return false;
  const isGap = (flags & segmentFlags.gap) !== 0;
  if (!(body instanceof Uint8Array)) return isGap;
  if (isGap || items > limits.segmentItems || hasher.crc32(body) !== crc) return false;
  return (flags & segmentFlags.deflate) !== 0 || decodeSegment(body, items) !== undefined;
}

function isQueueRow({ first, count, bytes, entries }: SalvagedRow): boolean {
  const decoded = entries instanceof Uint8Array ? decodeEntries(entries) : undefined;
  if (decoded === undefined || !isNumber(first)) return false;
  return decoded.length === count && decoded.reduce((sum, entry) => sum + entry.bytes, 0) === bytes;
}

function isRanges(value: SqlValue | undefined): boolean {
  return rangesIn(value) !== undefined;
}

function isName(value: SqlValue | undefined): boolean {
  return typeof value === "string" && isNodeName(value);
}

function isPriority(value: SqlValue | undefined): boolean {
  return isCount(value) && value <= 3;
}

function isCount(value: SqlValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isNumber(value: SqlValue | undefined): value is number {
  return isCount(value) && value > 0;
}
