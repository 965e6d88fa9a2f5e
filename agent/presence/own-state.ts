// What local clients hear of the node itself, retained on `/level/node`: that it runs since when, that it is about to stop, and how its
// earlier life ended. A broker that dies can say nothing: that its clients' connections close is the word of it, and the next life tells.
import type { Bus } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import { nodeTopic } from "#shared/topics.ts";

/** The life of the node before this one. Milliseconds since 1970. */
export interface EarlierLife {
  readonly beganMs: number;
  /** Undefined: it was not stopped, but killed, or its machine went down. */
  readonly stoppedMs: number | undefined;
}

export interface OwnState {
  /** Tells that the node stops; resolves when the local clients' queues have it. */
  stopping(): Promise<void>;
}

export function createOwnState(
  deps: { readonly bus: Pick<Bus, "publish">; readonly clock: Clock; readonly log: Logger },
  self: {
    readonly name: string;
    readonly version: string;
    readonly pid: number;
    readonly earlier: EarlierLife | undefined;
  },
): OwnState {
  const { bus, clock, log } = deps;
  const { name, version, pid, earlier } = self;
  const startedMs = clock.now();
  if (earlier !== undefined && earlier.stoppedMs === undefined) {
    log.warn(
      { began: iso(earlier.beganMs) },
      "the node was not stopped before: it was killed, or its machine went down",
    );
  }
  void tell("online", startedMs);
  return { stopping: () => tell("stopping", clock.now()) };

  async function tell(state: "online" | "stopping", sinceMs: number): Promise<void> {
    const body = {
      node: name,
      state,
      since: iso(sinceMs),
      started: iso(startedMs),
      version,
      pid,
      ...(earlier && { earlier: earlierBody(earlier) }),
    };
    const payload = new TextEncoder().encode(JSON.stringify(body));
    try {
      await bus.publish({ topic: nodeTopic, payload, qos: 1, retain: true });
    } catch (error) {
      log.warn({ error: String(error) }, "state of the node not published");
    }
  }
}

function earlierBody({ beganMs, stoppedMs }: EarlierLife): object {
  const began = iso(beganMs);
  return stoppedMs === undefined ? { began, ended: "crashed" } : { began, ended: "stopped", at: iso(stoppedMs) };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
