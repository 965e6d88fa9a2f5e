// Puts segments into the document store, and finds out which of them it is that the store does not take. Halving finds one among
// thousands in a dozen attempts.
import { FogbankError, type ErrorCode } from "#shared/errors.ts";
import { decodeSegment } from "#shared/journal/segment.ts";
import type { StreamState } from "#shared/journal/stream.ts";
import { limits } from "#shared/limits.ts";
import type { DataBlock, DocumentStore } from "#shared/system/document-store.ts";
import type { StoredSegment } from "../store/segment-repository.ts";

/** Arrival numbers of the messages of one segment: its id times this, plus the place inside. More than `limits.segmentItems`. */
export const arrivalsPerSegment = 1_024;

export interface BatchOutcome {
  /** In the store now, and gaps, whose place is the accounting. */
  readonly taken: readonly StoredSegment[];
  /** Data is among them, or the store has just taken other data. */
  readonly isTaking: boolean;
  /** Not taken, each by itself. */
  readonly refused: readonly StoredSegment[];
  /** The store says of every one of those that it is the data which it cannot take. */
  readonly isDataAtFault: boolean;
  /** They cannot be read. */
  readonly corrupt: readonly StoredSegment[];
  /** What it said last. */
  readonly reason: string;
}

/** Failures that say nothing about the data. */
const awayCodes: ReadonlySet<ErrorCode> = new Set([
  "FOGBANK_STORE_FULL",
  "FOGBANK_STORE_CLOSED",
  "FOGBANK_STORE_AWAY",
  "FOGBANK_STORE_FOREIGN",
  "FOGBANK_STORE_CORRUPT",
]);

/** Attempts beyond those that halving needs to get to one bad segment, after which the store is taken to be away. */
const attemptsSpare = 8;

/**
 * `damaged`: ids of segments whose bytes are not what was stored. `takesOthers` is asked when none of these is taken: whether the
 * store takes any other. Rejects when the store says that it is away, and when it has taken nothing in many attempts.
 */
export async function storeSegments(
  documents: Pick<DocumentStore, "insertBlocks">,
  segments: readonly StoredSegment[],
  { streams, damaged }: { readonly streams: readonly StreamState[]; readonly damaged: readonly number[] },
  takesOthers: () => Promise<boolean>,
): Promise<BatchOutcome> {
  const isUnfit = ({ id, items }: StoredSegment): boolean => items > limits.segmentItems || damaged.includes(id);
  const names = new Map(streams.map((stream) => [streamKey(stream), stream.name]));
  const taken = segments.filter(({ body }) => body === null);
  const corrupt = segments.filter((segment) => segment.body !== null && isUnfit(segment));
  const data = segments.filter((segment) => segment.body !== null && !isUnfit(segment));
  const refused: StoredSegment[] = [];
  const failuresMax = Math.ceil(Math.log2(data.length + 1)) + attemptsSpare;
  let failures = 0;
  let isTaking = false;
  let isDataAtFault = true;
  let reason: unknown;

  const blocksOf = (part: readonly StoredSegment[]): readonly DataBlock[] =>
    part.map((segment) => blockOf(segment, names));
  const takes = (part: readonly StoredSegment[]): Promise<boolean> =>
    documents.insertBlocks(blocksOf(part)).then(
      () => true,
      () => false,
    );
  const insert = async (part: readonly StoredSegment[]): Promise<void> => {
    const [only] = part;
    if (only === undefined) return;
    try {
      await documents.insertBlocks(blocksOf(part));
      taken.push(...part);
      isTaking = true;
      return;
    } catch (error) {
      reason = error;
      if (error instanceof FogbankError && awayCodes.has(error.code)) throw error;
      // So many bad ones at the head would block the rest for good: the newest tells them from a store that is away.
      if (!isTaking && ++failures > failuresMax) isTaking = (await takes(data.slice(-1))) || (await takesOthers());
      if (!isTaking && failures > failuresMax) throw error;
    }
    if (part.length > 1) {
      const half = part.length >> 1;
      await insert(part.slice(0, half));
      await insert(part.slice(half));
    } else if (only.body !== null && decodeSegment(only.body, only.items) === undefined) {
      corrupt.push(only);
    } else {
      refused.push(only);
      isDataAtFault &&= reason instanceof FogbankError && reason.code === "FOGBANK_DATA_REFUSED";
    }
  };

  await insert(data);
  if (!isTaking && refused.length > 0) isTaking = await takesOthers();
  return { taken, isTaking, refused, isDataAtFault, corrupt, reason: String(reason) };
}

function blockOf(segment: StoredSegment, names: ReadonlyMap<string, string>): DataBlock {
  const { id, origin, epoch, streamId, first, items, firstMs, lastMs, flags, body } = segment;
  const stream = names.get(streamKey(segment)) ?? String(streamId);
  const arrival = id * arrivalsPerSegment;
  return { origin, epoch, stream, first, items, arrival, firstMs, lastMs, flags, body: body ?? new Uint8Array() };
}

function streamKey({ origin, epoch, streamId }: Pick<StoredSegment, "origin" | "epoch" | "streamId">): string {
  return `${epoch} ${streamId} ${origin}`;
}
