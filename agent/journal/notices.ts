// Tells every local client, retained on `/level/journal`, how the journal is doing: since when durable publishes are refused and why,
// or what is given up to take new ones in.
//
//   accepting ──evicting──▶ evicting        refusing goes before evicting: a publisher that is refused wants to know that
import type { FogbankError } from "#shared/errors.ts";
import type { Bus } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import { journalTopic } from "#shared/topics.ts";

/** Messages of one stream that were given up since `since`. */
export interface GivenUp {
  readonly origin: string;
  readonly stream: string;
  readonly messages: number;
  readonly bytes: number;
}

/** A stream whose numbers have come in that many pieces. */
export interface Scattered {
  readonly origin: string;
  readonly epoch: number;
  readonly stream: string;
  readonly ranges: number;
}

export interface JournalState {
  readonly state: "accepting" | "evicting" | "refusing";
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
  /** Why durable publishes are refused. */
  readonly reason: string | undefined;
  readonly givenUp: readonly GivenUp[];
  readonly scattered: readonly Scattered[];
}

export interface JournalNotices {
  /** Durable publishes are refused from now on, or taken again. */
  refusing(error: FogbankError | null): void;
  /** What has been given up so far since it began, the most first; nothing any more when empty. */
  evicting(givenUp: readonly GivenUp[]): void;
  /** All streams whose numbers have come in too many pieces. */
  scattered(streams: readonly Scattered[]): void;
  state(): JournalState;
}

/** Streams named in one notice. */
const namedMax = 10;

export function createJournalNotices(deps: {
  readonly bus: Pick<Bus, "publish">;
  readonly clock: Clock;
  readonly log: Logger;
  /** Hears of each change of state. */
  readonly changed?: (state: JournalState) => void;
}): JournalNotices {
  const { bus, clock, log, changed } = deps;
  let reason: string | undefined;
  /** When the state began that would hold without the other: of refusals, of evictions. */
  let refusalMs = 0;
  let evictionMs = 0;
  let givenUp: readonly GivenUp[] = [];
  let scattered: readonly Scattered[] = [];

  return {
    state,
    refusing(error) {
      reason = error?.message;
      refusalMs = clock.now();
      if (error === null) log.info({}, "durable publishes accepted again");
      else log.error({ code: error.code, reason }, "durable publishes refused");
      tell();
    },
    evicting(streams) {
      if (givenUp.length === 0) {
        evictionMs = clock.now();
        log.error({ streams: streams.slice(0, namedMax) }, "no room: stored messages are given up, and named as lost");
      } else if (streams.length === 0) {
        log.warn({ streams: givenUp.slice(0, namedMax) }, "no stored messages are given up any more");
        evictionMs = clock.now();
      }
      givenUp = streams;
      if (reason === undefined) tell();
    },
    scattered(streams) {
      const fresh = streams.filter((stream) => !scattered.some((known) => isSame(known, stream)));
      for (const stream of fresh.slice(0, namedMax)) {
        log.error(stream, "the numbers of a stream have come in many pieces: messages in between are missing");
      }
      const isChanged = fresh.length > 0 || streams.length !== scattered.length;
      scattered = streams;
      if (isChanged) tell();
    },
  };

  function state(): JournalState {
    const isEvicting = givenUp.length > 0;
    const sinceMs = reason !== undefined ? refusalMs : isEvicting ? evictionMs : Math.max(refusalMs, evictionMs);
    const name = reason !== undefined ? "refusing" : isEvicting ? "evicting" : "accepting";
    return { state: name, sinceMs, reason, givenUp, scattered };
  }

  function tell(): void {
    const now = state();
    changed?.(now);
    const { state: name, sinceMs } = now;
    const notice = {
      state: name,
      since: new Date(sinceMs).toISOString(),
      ...(reason === undefined ? {} : { reason }),
      ...(givenUp.length === 0 ? {} : { lost: givenUp.slice(0, namedMax) }),
      ...(scattered.length === 0 ? {} : { scattered: scattered.slice(0, namedMax) }),
    };
    const payload = new TextEncoder().encode(JSON.stringify(notice));
    bus
      .publish({ topic: journalTopic, payload, qos: 1, retain: true })
      .catch((error: unknown) => log.warn({ error: String(error) }, "journal notice not published"));
  }
}

function isSame(a: Scattered, b: Scattered): boolean {
  return a.origin === b.origin && a.epoch === b.epoch && a.stream === b.stream;
}
