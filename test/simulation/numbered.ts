// What the origins have numbered, read from their own commits: (origin, epoch, stream, number) and the message that has it. The truth
// that a root is held to.
import type { WriteOutcome, WriteRequest } from "#agent/store/group-commit.ts";
import { decodeSegment } from "#shared/journal/segment.ts";

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

export class Numbered {
  /** Numbers to the messages that have got them, as the text in front of their payloads: one each, but for copied disks. */
  readonly messages = new Map<string, string[]>();
  /** Messages to the numbers they have got. */
  readonly numbers = new Map<string, string[]>();
  /** Numbers that two messages have got [O4]. */
  readonly twice: string[] = [];
  readonly #nameMessage: (payload: Uint8Array) => string;

  constructor(nameMessage: (payload: Uint8Array) => string) {
    this.#nameMessage = nameMessage;
  }

  /** Follows the commits of one life of `origin`. */
  follow(origin: string): (requests: readonly WriteRequest[], outcomes: readonly WriteOutcome[]) => void {
    let epoch = 0;
    const streamNames = new Map<number, string>();
    return (requests, outcomes) => {
      requests.forEach(({ name, args }, index) => {
        const outcome = outcomes[index];
        if (outcome === undefined || "error" in outcome) return;
        if (name === "open") {
          const { identity, streamIds } = outcome.value as OpenedWrite;
          epoch = identity.epoch;
          const { streams } = args as OpenWrite;
          streamIds.forEach((id, at) => streamNames.set(id, streams[at]?.name ?? ""));
        } else if (name === "append") {
          const write = args as AppendWrite;
          const { first } = outcome.value as { readonly first: number };
          const stream = streamNames.get(write.streamId) ?? "";
          (decodeSegment(write.body, write.items) ?? []).forEach(({ payload }, at) =>
            this.#add(numberKey(origin, epoch, stream, first + at), this.#nameMessage(payload)),
          );
        }
      });
    };
  }

  #add(key: string, message: string): void {
    const before = this.messages.get(key) ?? [];
    if (before.length > 0) this.twice.push(`${key}: ${before.join(", ")} and ${message}`);
    before.push(message);
    this.messages.set(key, before);
    const numbers = this.numbers.get(message) ?? [];
    numbers.push(key);
    this.numbers.set(message, numbers);
  }
}
