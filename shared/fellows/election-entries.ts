// The texts of an election in the coordinator: an offer, and the entry that names a server.
import { isWeight, parseEntry } from "./entry-text.ts";
import { isFellowId, isHostname } from "./fellow-names.ts";
import type { Named } from "./responder-election.ts";
import type { Offer } from "./server-score.ts";

export function formatOffer({ uuid, hostname, score }: Offer): string {
  return JSON.stringify({ uuid, hostname, score });
}

/** Undefined for what is none. */
export function parseOffer(text: string): Offer | undefined {
  const { uuid, hostname, score } = parseEntry(text) ?? {};
  if (typeof uuid !== "string" || !isFellowId(uuid)) return undefined;
  if (typeof hostname !== "string" || !isHostname(hostname) || !isWeight(score)) return undefined;
  return { uuid, hostname, score };
}

export function formatNamed({ uuid, isFinished }: Omit<Named, "version">): string {
  return JSON.stringify({ uuid, finished: isFinished });
}

/** `version`: of the entry. Undefined for what is none. */
export function parseNamed(text: string, version: number): Named | undefined {
  const { uuid, finished } = parseEntry(text) ?? {};
  if (typeof uuid !== "string" || !isFellowId(uuid) || typeof finished !== "boolean") return undefined;
  return { uuid, version, isFinished: finished };
}
