// Whether a message was safe on the disk when it was answered, by the order of calls: it was read, it was written to the write-ahead
// log, its transaction ended there, the log was synced, and only then the answer was written.
import type { IoCall, TracedPacket } from "./io-trace.ts";

const log = "fogbank.db-wal";
/** A frame's header, written before its page: see the file format of SQLite. Its second word is not 0 in the last frame of a commit. */
const frameHeaderBytes = 24;
const commitWordAt = 4;

/** A payload that can be found again: at least one of the two is whole wherever a page ends. */
export function markedPayload(mark: string): string {
  return `<${mark}>${".".repeat(60)}<${mark}>`;
}

export interface JournalOrder {
  /** What stands in the way of "durable before it was answered", or undefined. */
  readonly whyNotDurable: (
    mark: string,
    arrival: TracedPacket | undefined,
    answer: TracedPacket | undefined,
  ) => string | undefined;
}

/** Of a whole trace. */
export function journalOrder(calls: readonly IoCall[]): JournalOrder {
  const writes = calls.filter(({ kind, target }) => kind === "write" && target === log);
  const syncs = calls.filter(({ kind, target }) => kind === "sync" && target === log);
  return {
    whyNotDurable(mark, arrival, answer) {
      if (arrival?.call.end === undefined) return `${mark} never arrived`;
      if (answer === undefined) return `${mark} was not answered`;
      const at = writes.findIndex(({ bytes }) => bytes.includes(`<${mark}>`));
      const written = writes[at];
      if (written === undefined) return `${mark} was never written to ${log}`;
      if (written.begin < arrival.call.end) return `${mark} was written before it arrived`;
      // The header of its own frame stands right before it.
      const commitAt = writes.findIndex((write, place) => place >= at - 1 && isCommitHeader(write));
      const committedAt = writes[commitAt + 1]?.end;
      if (commitAt < 0 || committedAt === undefined) return `${mark} was written, but its commit was not`;
      const sync = syncs.find(({ begin }) => begin > committedAt);
      if (sync?.end === undefined || sync.result !== 0) return `${mark} was committed, but never synced`;
      return sync.end < answer.call.begin ? undefined : `${mark} was answered before its sync was over`;
    },
  };
}

function isCommitHeader({ bytes }: IoCall): boolean {
  return bytes.length === frameHeaderBytes && bytes.readUInt32BE(commitWordAt) !== 0;
}
