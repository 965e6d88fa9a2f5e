// What the origins have numbered, read from their own commits: (origin, epoch, stream, number) and the message that has it. The truth
// that a root is held to. A node that goes on under a new epoch gives new numbers to what it stores: those are read from its disk.
import type { WriteOutcome, WriteRequest } from "#agent/store/group-commit.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { decodeSegment, segmentFlags } from "#shared/journal/segment.ts";
import type { StoredSegment } from "#agent/store/segment-repository.ts";

interface OpenWrite {
  readonly streams: readonly { readonly name: string }[];
}

interface OpenedWrite {
  readonly identity: { readonly epoch: number };
  readonly streamIds: readonly number[];
}

interface AppendWrite {
  readonly streamId: number;
  readonly items: number;
  readonly body: Uint8Array;
}

/** Of one message: its identity as text. */
export function numberKey(origin: string, epoch: number, stream: string, number: number): string {
  return `${origin} ${epoch} ${stream} ${number}`;
}

/** The numbers from `first` to `last` of one stream. */
export function keysOf(
  { origin, epoch, stream }: { readonly origin: string; readonly epoch: number; readonly stream: string },
  first: number,
  last: number,
): readonly string[] {
  return Array.from({ length: last - first + 1 }, (_, at) => numberKey(origin, epoch, stream, first + at));
}

/** Hears of the commits of one life of a node. `stored`: everything that its disk holds right after it. */
export type CommitFollower = (
  requests: readonly WriteRequest[],
  outcomes: readonly WriteOutcome[],
  stored: () => readonly StoredSegment[],
) => void;

export class Numbered {
  /** Numbers to the messages that were stored under them: one each, unless something is wrong. */
  readonly messages = new Map<string, string[]>();
  /** Messages to their numbers: one each, unless a node has gone on under a new epoch. */
  readonly numbers = new Map<string, string[]>();
  /** Numbers of messages that had another number before, in an epoch that was closed: only these may arrive twice. */
  readonly renumbered = new Set<string>();
  /** Messages of own segments whose stored bytes are damaged, by origin and row: their bytes do not tell them any more. */
  readonly #damaged = new Map<string, readonly string[]>();
  /** What must not be: two messages under one number, by the origin that gave them; numbers given anew without a mark. */
  readonly twice: { readonly origin: string; readonly text: string }[] = [];
  readonly #nameMessage: (payload: Uint8Array) => string;

  constructor(nameMessage: (payload: Uint8Array) => string) {
    this.#nameMessage = nameMessage;
  }

  follow(origin: string): CommitFollower {
    let epoch = 0;
    const streamNames = new Map<number, string>();
    return (requests, outcomes, stored) => {
      requests.forEach(({ name, args }, index) => {
        const outcome = outcomes[index];
        if (outcome === undefined || "error" in outcome) return;
        if (name === "open") {
          const { identity, streamIds } = outcome.value as OpenedWrite;
          epoch = identity.epoch;
          const { streams } = args as OpenWrite;
          streamIds.forEach((id, at) => streamNames.set(id, streams[at]?.name ?? ""));
        } else if (name === "renewEpoch") {
          epoch = (outcome.value as Pick<OpenedWrite, "identity">).identity.epoch;
        } else if (name === "renumber") {
          // To an epoch that may have ended by now, when a crash has come in between.
          const moved = stored().filter((one) => one.origin === origin);
          for (const segment of moved) this.#addMoved(segment, streamNames.get(segment.streamId) ?? "");
        } else if (name === "append") {
          const write = args as AppendWrite;
          const { first } = outcome.value as { readonly first: number };
          const stream = streamNames.get(write.streamId) ?? "";
          (decodeSegment(write.body, write.items) ?? []).forEach(({ payload }, at) =>
            this.#add(origin, numberKey(origin, epoch, stream, first + at), this.#nameMessage(payload)),
          );
        }
      });
    };
  }

  /** The bytes of a node's own segment in row `id`, with these messages, will be damaged. */
  damage(origin: string, id: number, messages: readonly string[]): void {
    const key = `${origin} ${id}`;
    if (messages.length > 0) this.#damaged.set(key, messages);
  }

  /** Also what was appended since the epoch began: that is known already. */
  #addMoved({ id, origin, epoch, first, items, flags, body, crc }: StoredSegment, stream: string): void {
    if (body === null || this.messages.has(numberKey(origin, epoch, stream, first))) return;
    const isMarked = (flags & segmentFlags.maybeDuplicate) !== 0;
    // A damaged body has its numbers too.
    const isDamaged = nodeHasher.crc32(body) !== crc;
    const messages = isDamaged
      ? (this.#damaged.get(`${origin} ${id}`) ?? [])
      : (decodeSegment(body, items)?.map(({ payload }) => this.#nameMessage(payload)) ?? []);
    for (let at = 0; at < items; at++) {
      const key = numberKey(origin, epoch, stream, first + at);
      this.renumbered.add(key);
      if (!isMarked) this.twice.push({ origin, text: `${key} was given anew without the flag for maybe duplicate` });
      this.#add(origin, key, messages[at] ?? `what is damaged under ${key}`);
    }
  }

  #add(origin: string, key: string, message: string): void {
    const before = this.messages.get(key) ?? [];
    if (before.length > 0) this.twice.push({ origin, text: `${key}: ${before.join(", ")} and ${message}` });
    before.push(message);
    this.messages.set(key, before);
    const numbers = this.numbers.get(message) ?? [];
    numbers.push(key);
    this.numbers.set(message, numbers);
  }
}
