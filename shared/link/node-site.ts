// Where exactly a node stands and what kind of device it is: the part of its place that older nodes do not pass on.
import { Malformed, asArray, asText, optional } from "./fields.ts";

/** What is undefined the node does not have. */
export interface NodeSite {
  /** Degrees: −90…90 and −180…180. */
  readonly lat: number | undefined;
  readonly lon: number | undefined;
  readonly class: string | undefined;
}

/** `[lat | null, lon | null, class | null]`, or the empty array for none of them. */
export function packSite({ lat, lon, class: kind }: NodeSite): readonly unknown[] {
  if (lat === undefined && lon === undefined && kind === undefined) return [];
  return [lat ?? null, lon ?? null, kind ?? null];
}

/** The last entry of a place or a descendant, when there is one. Throws Malformed. */
export function readSite(value: unknown): { readonly site?: NodeSite } {
  if (value === undefined || value === null) return {};
  const [lat, lon, kind] = asArray(value, "site", 8);
  return {
    site: {
      lat: optional(lat, (degrees) => asDegrees(degrees, "latitude", 90)),
      lon: optional(lon, (degrees) => asDegrees(degrees, "longitude", 180)),
      class: optional(kind, (text) => asText(text, "class", 64)),
    },
  };
}

function asDegrees(value: unknown, what: string, most: number): number {
  if (typeof value === "number" && Math.abs(value) <= most) return value;
  throw new Malformed(`${what} is not a number from -${most} to ${most}`);
}
