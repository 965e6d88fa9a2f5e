// Whether alarms overtake a backlog [O8]: once a message of the highest priority is stored at a node with a parent, few frames may
// leave before the one that carries it. Counted in frames, since time depends on the link.
import type { WriteOutcome, WriteRequest } from "#agent/store/group-commit.ts";
import type { Batch } from "#shared/link/frames.ts";

/** What both lanes may have had in flight, or were about to send. */
const framesMax = 20;

interface Waiting {
  readonly streamId: number;
  readonly first: number;
  frames: number;
  session: number;
}

export class Overtaking {
  readonly faults: string[] = [];
  readonly #urgent: ReadonlySet<string>;
  readonly #waiting = new Map<string, Waiting[]>();

  /** `urgent`: names of the streams of the highest priority. */
  constructor(urgent: readonly string[]) {
    this.#urgent = new Set(urgent);
  }

  /** Follows the commits of one life of `node`. */
  follow(node: string): (requests: readonly WriteRequest[], outcomes: readonly WriteOutcome[]) => void {
    const waiting: Waiting[] = [];
    this.#waiting.set(node, waiting);
    const urgentIds = new Set<number>();
    return (requests, outcomes) => {
      requests.forEach(({ name, args }, index) => {
        const outcome = outcomes[index];
        if (outcome === undefined || !("value" in outcome)) return;
        if (name === "open") {
          const { streams } = args as { readonly streams: readonly { readonly name: string }[] };
          const { streamIds } = outcome.value as { readonly streamIds: readonly number[] };
          streamIds.forEach((id, at) => {
            if (this.#urgent.has(streams[at]?.name ?? "")) urgentIds.add(id);
          });
        } else if (name === "append") {
          const { streamId } = args as { readonly streamId: number };
          const { first } = outcome.value as { readonly first: number };
          if (urgentIds.has(streamId)) waiting.push({ streamId, first, frames: 0, session: 0 });
        } else if (name === "renewEpoch") {
          waiting.length = 0; // they go under other numbers now
        }
      });
    };
  }

  /** `node`, whose name is `name`, sends a batch to its parent. */
  sent(node: string, name: string, { session, segments }: Pick<Batch, "session" | "segments">): void {
    const waiting = this.#waiting.get(node) ?? [];
    if (waiting.length === 0) return;
    const left = waiting.filter(
      ({ streamId, first }) =>
        !segments.some((sent) => sent.origin === name && sent.streamId === streamId && sent.first === first),
    );
    for (const entry of left) {
      // A new session starts with nothing in flight.
      entry.frames = entry.session === session ? entry.frames + 1 : 1;
      entry.session = session;
      if (entry.frames === framesMax + 1)
        this.faults.push(
          `[O8] ${node}: ${framesMax} frames have left before message ${entry.first} of stream ${entry.streamId}, an alarm`,
        );
    }
    waiting.splice(0, waiting.length, ...left);
  }
}
