// The unique id of a device: a 32-bit integer, or a uuid in string form [U1]. It keeps its type: 1 is never a uuid, and `1` and `"1"`
// are the same id, because both become one here, at the door [U-T15].

export type UniqueId =
  /** 0 to 2^32 − 1. */
  | { readonly type: "uint32"; readonly value: number }
  /** 8-4-4-4-12 hexadecimal digits in lower case. */
  | { readonly type: "uuid"; readonly value: string };

const uint32Max = 2 ** 32 - 1;
const decimalPattern = /^(?:0|[1-9][0-9]{0,9})$/;
const prefixedHexPattern = /^0x[0-9a-f]{1,8}$/i;
const hexPattern = /^[0-9a-f]{1,8}$/i;
const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const bareUuidPattern = /^[0-9a-f]{32}$/i;

/** Of a number, of decimal digits, of hexadecimal digits behind `0x`, or of a uuid with its hyphens; undefined when it is none of them. */
export function parseUniqueId(given: unknown): UniqueId | undefined {
  if (typeof given === "number" || typeof given === "bigint") return uint32(Number(given));
  if (typeof given !== "string") return undefined;
  if (decimalPattern.test(given) || prefixedHexPattern.test(given)) return uint32(Number(given));
  return parseUuid(given);
}

/** As device topics have it: 1 to 8 hexadecimal digits, or a uuid with or without its hyphens. */
export function parseHexId(text: string): UniqueId | undefined {
  if (hexPattern.test(text)) return uint32(Number.parseInt(text, 16));
  if (!bareUuidPattern.test(text)) return parseUuid(text);
  const cuts = [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)];
  return parseUuid(cuts.join("-"));
}

/** A uuid with its hyphens, upper or lower case. */
export function parseUuid(text: string): UniqueId | undefined {
  return uuidPattern.test(text) ? { type: "uuid", value: text.toLowerCase() } : undefined;
}

/** Decimal digits or the uuid: `parseUniqueId` reads it, and no two ids have the same, so it is a key of an index too. */
export function formatUniqueId(id: UniqueId): string {
  return String(id.value);
}

/** As device topics have it: hexadecimal digits in lower case without leading zeros, or the uuid. */
export function formatHexId(id: UniqueId): string {
  return id.type === "uint32" ? id.value.toString(16) : id.value;
}

export function isSameId(a: UniqueId, b: UniqueId): boolean {
  return a.type === b.type && a.value === b.value;
}

function uint32(value: number): UniqueId | undefined {
  return Number.isInteger(value) && value >= 0 && value <= uint32Max
    ? { type: "uint32", value: Object.is(value, -0) ? 0 : value }
    : undefined;
}
