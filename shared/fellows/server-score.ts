// Who is to respond: the greatest score, and of equal ones the lower name [U10].
import type { FellowId, Hostname } from "./fellow-names.ts";

export interface ScoreFactors {
  /** Set by the operator, changeable while running [U9]; 0: only when there is nobody else. */
  readonly manual: number;
  /** Of this server for the zone in question; 1 where nothing is set. */
  readonly zone: number;
  /** Share of what the server can do that is taken, 0 to 1. */
  readonly load: number;
}

export interface Offer {
  readonly uuid: FellowId;
  readonly hostname: Hostname;
  readonly score: number;
}

/** Manual weight × zone weight × free load. What is no weight counts as 0. */
export function scoreOf({ manual, zone, load }: ScoreFactors): number {
  return weightOf(manual) * weightOf(zone) * (1 - Math.min(1, Number.isNaN(load) ? 1 : Math.max(0, load)));
}

/** Undefined for no offers. Of two servers with one hostname the lower UUID goes first. */
export function bestOf(offers: readonly Offer[]): Offer | undefined {
  return offers.toSorted(compare)[0];
}

function compare(a: Offer, b: Offer): number {
  const [ofA, ofB] = [weightOf(a.score), weightOf(b.score)];
  if (ofA !== ofB) return ofB - ofA;
  if (a.hostname !== b.hostname) return a.hostname < b.hostname ? -1 : 1;
  return a.uuid < b.uuid ? -1 : 1;
}

function weightOf(value: number): number {
  return Number.isFinite(value) && value > 0 ? value : 0;
}
