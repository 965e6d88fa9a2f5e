// Which functions programs offer at this node, and which are likely to be offered again in a moment: a program that lost its connection
// comes back, and after a start of the node they come one after the other. Kept on disk, since a node may be killed.
import { isFunctionName } from "#shared/machine/envelope.ts";
import { limits } from "#shared/limits.ts";
import type { Bus } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import { functionTopic } from "#shared/topics.ts";
import type { NodeStore } from "../store/node-store.ts";

export interface OfferedNamesDeps {
  readonly bus: Pick<Bus, "exactSubscribers">;
  readonly store: Pick<NodeStore, "write" | "read">;
  readonly clock: Pick<Clock, "monotonic">;
  /** Tells of the filter of each subscription that is about to be made. */
  readonly onSubscribing: (listener: (filter: string) => void) => Disposable;
  /** Tells when a client has come or gone. */
  readonly onClient: (listener: () => void) => Disposable;
  readonly log: Logger;
}

export interface OfferedNames extends Disposable {
  /** Whether a program that offered it not long ago may still come back. */
  isAwaited(name: string): boolean;
}

export async function followOfferedNames(deps: OfferedNamesDeps): Promise<OfferedNames> {
  const { bus, store, clock, log } = deps;
  const startedMs = clock.monotonic();
  const earlier = new Set(await store.read("offered", null));
  /** By name: when its last program was missed first, on the clock that never steps; undefined: it is there. */
  const offers = new Map<string, number | undefined>();
  const noticing = [deps.onSubscribing(noteFilter), deps.onClient(look)];
  return {
    isAwaited,
    [Symbol.dispose]() {
      for (const one of noticing) one[Symbol.dispose]();
    },
  };

  function isAwaited(name: string): boolean {
    if (!offers.has(name)) return earlier.has(name) && isShortAgo(startedMs);
    return isShortAgo(offers.get(name) ?? clock.monotonic());
  }

  function isShortAgo(sinceMs: number): boolean {
    return clock.monotonic() - sinceMs < limits.offerAwaitedMs;
  }

  function noteFilter(filter: string): void {
    const name = filter.slice(functionPrefix.length);
    if (!filter.startsWith(functionPrefix) || !isFunctionName(name)) return;
    if (offers.has(name) || offers.size < limits.offeredNames) {
      const isNew = !offers.has(name);
      offers.set(name, undefined);
      if (isNew) keep();
    }
  }

  /** Who is there, now that somebody has come or gone. */
  function look(): void {
    for (const [name, missedMs] of offers) {
      const isThere = bus.exactSubscribers(functionTopic(name)).length > 0;
      if (isThere) offers.set(name, undefined);
      else if (missedMs === undefined) offers.set(name, clock.monotonic());
    }
  }

  /** What an earlier life knew is forgotten when all have had the time to come. */
  function keep(): void {
    const names = new Set([...offers.keys(), ...(isShortAgo(startedMs) ? earlier : [])]);
    store.write("offered", { names: [...names].slice(0, limits.offeredNames) }, "lazy").catch((error: unknown) => {
      log.warn({ error: String(error) }, "the functions that programs offer here were not written down");
    });
  }
}

const functionPrefix = functionTopic("");
