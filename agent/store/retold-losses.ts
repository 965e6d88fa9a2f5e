// Another parent, or another database of it, may not know what was lost of class final, and the root's mark would stop there: all of it
// is carried upward again. A bounded number of gaps a transaction; after a crash it goes on where it was.
import type { DatabaseSync } from "node:sqlite";
import { streamClassCodes, type Priority } from "#shared/journal/stream.ts";
import { limits } from "#shared/limits.ts";
import type { IdentityRepository } from "./identity-repository.ts";
import type { LossRepository } from "./loss-repository.ts";
import type { StreamKey } from "./stream-key.ts";

/** Counters of the place where it goes on: internal number of the origin, of the stream, and a message's; origin 0: nowhere. */
const counters = { origin: "retell-origin", stream: "retell-stream", first: "retell-first" } as const;

export interface RetoldLossesDeps {
  readonly identity: Pick<IdentityRepository, "counter" | "setCounter">;
  readonly losses: LossRepository;
}

export class RetoldLosses {
  readonly #deps: RetoldLossesDeps;
  readonly #next;

  constructor(database: DatabaseSync, deps: RetoldLossesDeps) {
    this.#deps = deps;
    this.#next = database.prepare(
      `SELECT origin, stream, priority FROM stream
       WHERE (origin, stream) >= (?, ?) AND class = ${streamClassCodes.final} AND lost > 0 ORDER BY origin, stream LIMIT 1`,
    );
  }

  get isUnderWay(): boolean {
    return this.#deps.identity.counter(counters.origin) !== 0;
  }

  /** Begins, or begins anew, with the first gaps. `step` has to follow while there are more. */
  begin(): void {
    this.#goOnAt({ origin: 1, stream: 0 }, 1);
    this.step();
  }

  /** Tells the next gaps. Answers whether there are more. */
  step(): boolean {
    const { identity, losses } = this.#deps;
    if (!this.isUnderWay) return false;
    let place: StreamKey = { origin: identity.counter(counters.origin), stream: identity.counter(counters.stream) };
    let first = identity.counter(counters.first);
    for (let left: number = limits.upkeepSegments; left > 0;) {
      const found = this.#streamFrom(place);
      if (found === undefined) {
        this.#goOnAt({ origin: 0, stream: 0 }, 0);
        return false;
      }
      const { key, priority } = found;
      if (key.origin !== place.origin || key.stream !== place.stream) first = 1;
      const { looked, next } = losses.repeat(key, priority, first, left);
      left -= Math.max(1, looked);
      // The next stream, or further in this one.
      place = next === undefined ? { ...key, stream: key.stream + 1 } : key;
      first = next ?? 1;
    }
    this.#goOnAt(place, first);
    return true;
  }

  #streamFrom({ origin, stream }: StreamKey): { readonly key: StreamKey; readonly priority: Priority } | undefined {
    const row = this.#next.get(origin, stream);
    if (row === undefined) return undefined;
    const key = { origin: Number(row["origin"]), stream: Number(row["stream"]) };
    return { key, priority: Number(row["priority"]) as Priority };
  }

  #goOnAt({ origin, stream }: StreamKey, first: number): void {
    const { identity } = this.#deps;
    identity.setCounter(counters.origin, origin);
    identity.setCounter(counters.stream, stream);
    identity.setCounter(counters.first, first);
  }
}
