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

export interface JournalNotices {
  /** Durable publishes are refused from now on, or taken again. */
  refusing(error: FogbankError | null): void;
  /** What has been given up so far since it began, the most first; nothing any more when empty. */
  evicting(givenUp: readonly GivenUp[]): void;
  /** Why durable publishes are refused now. */
  refusal(): string | undefined;
}

/** Streams named in one notice. */
const namedMax = 10;

export function createJournalNotices(deps: {
  readonly bus: Pick<Bus, "publish">;
  readonly clock: Clock;
  readonly log: Logger;
}): JournalNotices {
  const { bus, clock, log } = deps;
  let reason: string | undefined;
  /** When the state began that would hold without the other: of refusals, of evictions. */
  let refusalMs = 0;
  let evictionMs = 0;
  let givenUp: readonly GivenUp[] = [];

  return {
    refusal: () => reason,
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
  };

  function tell(): void {
    const isEvicting = givenUp.length > 0;
    const sinceMs = reason !== undefined ? refusalMs : isEvicting ? evictionMs : Math.max(refusalMs, evictionMs);
    const notice = {
      state: reason !== undefined ? "refusing" : isEvicting ? "evicting" : "accepting",
      since: new Date(sinceMs).toISOString(),
      ...(reason === undefined ? {} : { reason }),
      ...(isEvicting ? { lost: givenUp.slice(0, namedMax) } : {}),
    };
    const payload = new TextEncoder().encode(JSON.stringify(notice));
    bus
      .publish({ topic: journalTopic, payload, qos: 1, retain: true })
      .catch((error: unknown) => log.warn({ error: String(error) }, "journal notice not published"));
  }
}
