// What a node tells its service manager: that it is ready, while it lives that it does, and that it stops.
//
//   READY=1 --> (proof of life --> WATCHDOG=1, again after half of the time that is given) --> STOPPING=1
//
// A proof that does not come is not replaced by a timer: then nothing is told, and the service manager starts the node anew.
import { FogbankError } from "#shared/errors.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { ServiceManager } from "./service-manager.ts";

export interface ServiceNoticesDeps {
  /** Undefined: nothing is told. */
  readonly manager: ServiceManager | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** Resolves when the event loop and the store do their work; a FogbankError is an answer, too. */
  proveLife(): Promise<void>;
}

export interface ServiceNotices {
  /** Resolves when that has been told. From the call on no proof of life is. */
  stopping(): Promise<void>;
}

/** `status`: one line about the running node, for people. */
export function startServiceNotices(deps: ServiceNoticesDeps, status: string): ServiceNotices {
  const { manager, clock, log } = deps;
  if (manager === undefined) return { stopping: async () => undefined };
  const { watchdogMs } = manager;
  const stop = new AbortController();
  const ready = manager.tell("READY=1", `STATUS=${status}`);
  if (watchdogMs !== undefined) void tellOfLife(manager, watchdogMs);
  return {
    stopping() {
      stop.abort();
      return manager.tell("STOPPING=1", "STATUS=stopping");
    },
  };

  async function tellOfLife(to: ServiceManager, withinMs: number): Promise<void> {
    await ready;
    for (let dueMs = clock.monotonic(); !stop.signal.aborted;) {
      dueMs = Math.max(clock.monotonic(), dueMs + withinMs / 2);
      await clock.sleep(dueMs - clock.monotonic(), stop.signal).catch(() => undefined);
      if (!stop.signal.aborted && (await proof(withinMs))) await to.tell("WATCHDOG=1");
    }
  }

  /** Waits for it however long it takes; says that it does before the service manager loses its patience. */
  async function proof(withinMs: number): Promise<boolean> {
    const proven = new AbortController();
    const warning = clock.sleep(withinMs / 4, AbortSignal.any([proven.signal, stop.signal])).then(
      () => log.error({ withinMs }, "the store does not answer: without an answer this node is started anew"),
      () => undefined,
    );
    try {
      await deps.proveLife();
    } catch (error) {
      if (!(error instanceof FogbankError)) throw error;
    } finally {
      proven.abort();
      await warning;
    }
    return !stop.signal.aborted;
  }
}
