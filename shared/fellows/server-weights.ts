// The weights of a server as everybody reads them in the coordinator [U9]. They may change at any moment: a score is made of what they are
// when a message arrives.
import { isWeight, parseEntry } from "./entry-text.ts";
import { scoreOf } from "./server-score.ts";

export interface ServerWeights {
  /** Set by the operator. */
  readonly manual: number;
  /** Share of what the server can do that is taken, 0 to 1. */
  readonly load: number;
  /** How much its configuration counts against that of others; nothing to do with who responds. */
  readonly configuration: number;
  /** Of this server for single zones; 1 for all others. */
  readonly zones: ReadonlyMap<string, number>;
}

/** For a message of a device in `zone`. */
export function scoreIn(zone: string, { manual, load, zones }: ServerWeights): number {
  return scoreOf({ manual, load, zone: zones.get(zone) ?? 1 });
}

/** Equal weights have equal texts. */
export function formatWeights({ manual, load, configuration, zones }: ServerWeights): string {
  const pairs = [...zones].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify({ manual, load, configuration, zones: pairs });
}

/** Undefined for what is none. */
export function parseWeights(text: string): ServerWeights | undefined {
  const { manual, load, configuration, zones } = parseEntry(text) ?? {};
  if (!isWeight(manual) || !isWeight(load) || load > 1 || !isWeight(configuration)) return undefined;
  if (!Array.isArray(zones) || !zones.every(isZoneWeight)) return undefined;
  return { manual, load, configuration, zones: new Map(zones) };
}

function isZoneWeight(pair: unknown): pair is readonly [string, number] {
  return Array.isArray(pair) && pair.length === 2 && typeof pair[0] === "string" && isWeight(pair[1]);
}
