// Nodes that break the rules on purpose, between their parts and their disks: a simulation that lets them pass is worth nothing.
import type { WriteOutcome, WriteRequest } from "#agent/store/group-commit.ts";
import type { NodeDatabase } from "#agent/store/node-database.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import type { IntervalSet } from "#shared/journal/interval-set.ts";
import type { WireSegment } from "#shared/link/frames.ts";

export type Sabotage = (database: NodeDatabase, node: string) => NodeDatabase;

interface IngestWrite {
  readonly batch: { readonly segments: readonly WireSegment[] };
}

interface ForgetWrite {
  readonly acked: readonly { readonly ranges: readonly (readonly [number, number])[] }[];
}

interface AccountingRow {
  readonly row: { readonly held: number; readonly high: number; readonly ranges: IntervalSet };
  readonly gaps: readonly object[];
}

/** Every so many writes of one name are tampered with. */
const every = 5;

/** Answers for a write as if it were done, and does not do it. */
function leavingOut(name: string, answer: (args: unknown) => unknown, each = every): Sabotage {
  return (database) => {
    let seen = 0;
    return {
      ...database,
      commit(requests) {
        const isLeftOut = requests.map((request) => request.name === name && ++seen % each === 0);
        const kept = requests.filter((_, index) => !isLeftOut[index]);
        const outcomes: WriteOutcome[] = kept.length === 0 ? [] : [...database.commit(kept)];
        return requests.map(({ args }, index) =>
          isLeftOut[index] === true ? { value: answer(args) } : (outcomes.shift() ?? { error: undefined }),
        );
      },
    };
  };
}

function changing(change: (request: WriteRequest) => WriteRequest): Sabotage {
  return (database) => ({ ...database, commit: (requests) => database.commit(requests.map(change)) });
}

function acknowledged(args: unknown): unknown {
  const { segments } = (args as IngestWrite).batch;
  const acked = segments.map(({ origin, epoch, streamId, first, items }) => ({
    origin,
    epoch,
    streamId,
    ranges: [[first, first + items - 1]],
  }));
  const unnamed = { streams: [], reason: undefined };
  return { acked, naks: [], stored: segments.length, duplicates: 0, newestId: 0, unnamed };
}

/** Parents acknowledge batches that they do not commit. */
export const acknowledgesUncommitted = leavingOut("ingest", acknowledged);

/** Publishers hear of a commit that does not take place. */
export const answersUnstored = leavingOut("append", () => ({ first: 1, newestId: 0 }));

/** Calls run whose ids are not on disk. */
export const remembersNoCalls = leavingOut("remember", () => "new", 1);

/** Events are confirmed that are not on disk. */
export const keepsNoEvents = leavingOut("keepMessage", () => null, 1);

/** Deletes a little more than was acknowledged. */
export const deletesTooMuch = changing((request) => {
  if (request.name !== "forget") return request;
  const acked = (request.args as ForgetWrite).acked.map((entry) => ({
    ...entry,
    ranges: entry.ranges.map(([first, last]) => [first, last + 20] as const),
  }));
  return { ...request, args: { ...(request.args as object), acked } };
});

/** Stores other bytes than the origin sent. */
export const changesPayloads = changing((request) => {
  if (request.name !== "ingest") return request;
  const { batch, ...rest } = request.args as IngestWrite;
  const segments = batch.segments.map((segment) => {
    const body = segment.body?.slice() ?? null;
    if (body === null) return segment;
    body[body.length - 1] = (body.at(-1) ?? 0) ^ 1;
    return { ...segment, body, crc: nodeHasher.crc32(body) };
  });
  return { ...request, args: { ...rest, batch: { ...batch, segments } } };
});

function accountingOtherwise(change: (entry: AccountingRow) => AccountingRow): Sabotage {
  return (database) => ({
    ...database,
    read(request) {
      const answer = database.read(request);
      return request.name === "accounting" ? (answer as readonly AccountingRow[]).map(change) : answer;
    },
  });
}

/** Counts one that it does not hold. */
export const countsWrong = accountingOtherwise((entry) => ({
  ...entry,
  row: entry.row.high > 20 ? { ...entry.row, held: entry.row.held + 1 } : entry.row,
}));

/** Keeps one range more than there are. */
export const splitsRanges = accountingOtherwise(({ row, gaps }) => ({
  row: { ...row, ranges: row.ranges.flatMap(([first, last]) => halves(first, last)) },
  gaps,
}));

function halves(first: number, last: number): IntervalSet {
  return first === last
    ? [[first, last]]
    : [
        [first, first],
        [first + 1, last],
      ];
}

/** Gives every loss the same reason. */
export const namesOneReason = accountingOtherwise(({ row, gaps }) => ({
  row,
  gaps: gaps.map((gap) => ({ ...gap, reason: "rejected" })),
}));

/** Does not give up what cannot be stored. */
export const neverGivesUp = leavingOut("quarantine", () => ({ messages: 0, newestId: 0 }), 1);

/** Does not look whether its file is another one. */
export const ignoresFingerprint = changing((request) => {
  if (request.name !== "open") return request;
  return { ...request, args: { ...(request.args as object), fingerprint: undefined } };
});

/** Takes every parent for the one that it knows. */
export const ignoresParents = changing((request) => {
  if (request.name !== "meet") return request;
  return { ...request, args: { parent: "any", instance: 1 } };
});
