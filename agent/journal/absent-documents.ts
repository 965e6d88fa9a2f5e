// A node starts without the server that its documents are at: it numbers what comes behind all that can be there, and what it would have
// looked at first it looks at when the server has come.
import { FogbankError } from "#shared/errors.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { DocumentStore } from "#shared/system/document-store.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { NodeStore } from "../store/node-store.ts";
import { adoptHoldings } from "./adoption.ts";
import { nameLostDocuments } from "./document-check.ts";
import { arrivalsPerSegment } from "./sink-batch.ts";

/**
 * The id behind which segments are numbered, so that no arrival is given twice. Of documents that are away it is not known: ids then go on
 * from the milliseconds since 1970, which no journal has reached that has taken in fewer than a thousand segments a second all its life.
 */
export async function lastSegmentId(documents: Pick<DocumentStore, "lastArrival">, nowMs: number): Promise<number> {
  try {
    return Math.floor((await documents.lastArrival()) / arrivalsPerSegment);
  } catch (error) {
    if (isAway(error)) return nowMs;
    throw error;
  }
}

export interface MeetingDeps {
  readonly store: Pick<NodeStore, "read" | "write">;
  readonly documents: Pick<DocumentStore, "holdings" | "instance" | "lastArrival">;
  readonly clock: Pick<Clock, "monotonic">;
  readonly log: Logger;
}

export interface Meeting {
  /** `newestId`: of a segment, before anything is drained. `adopts`: the documents may have what this journal does not know of. */
  readonly newestId: number;
  readonly adopts: boolean;
  /** Name of the newest damaged file of them that was put aside. */
  readonly damaged: string | undefined;
}

/**
 * Answers what is to be done before anything is drained, and again whenever the documents may be others than they were. Rejects with what
 * the stores reject, and with FOGBANK_STORE_FOREIGN when the documents have numbers that this journal gives, too.
 */
export function meetDocuments(deps: MeetingDeps, { newestId, adopts, damaged }: Meeting): () => Promise<void> {
  let isMet = false;
  let isAdopted = !adopts;
  return async () => {
    if (!isMet) refuseOverlap(await deps.documents.lastArrival(), newestId);
    isMet = true;
    if (!isAdopted) await adoptHoldings(deps);
    isAdopted = true;
    await nameLostDocuments(deps, damaged);
  };
}

function refuseOverlap(lastArrival: number, newestId: number): void {
  if (lastArrival < (newestId + 1) * arrivalsPerSegment) return;
  throw new FogbankError(
    "FOGBANK_STORE_FOREIGN",
    `the documents go to arrival ${lastArrival}, which this journal, at segment ${newestId}, would give again: it was begun without them by a clock that was wrong. Start the node again`,
  );
}

/** The server of the documents is away: the sink goes on asking for it, and the status says since when. Any other error is thrown on. */
export function unlessAway(log: Logger): (error: unknown) => void {
  return (error) => {
    if (!isAway(error)) throw error;
    log.warn({ error: String(error) }, "the document store cannot be reached: the journal holds what comes");
  };
}

function isAway(error: unknown): boolean {
  return error instanceof FogbankError && error.code === "FOGBANK_STORE_AWAY";
}
