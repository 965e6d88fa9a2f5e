// The order in which a server of the cluster starts [U24]: config → keys → coordinator → store → MQTT → REST. A part is begun when all before
// it are ready, and not before: MQTT is the server bridge with its subscriptions between fellows [U29], REST the service over HTTP. What
// is no part of the gate never waits for it: the node's own broker, its journal, its links and the bridge for clients.
//
//   part by part: waiting --begin--> begun --ready--> ready          all ready: open, for ever; it is about the start
//
// `ready` of the coordinator means that names and ids of all fellows have been read and confirmed, not that a socket is open. Without a
// coordinator that part is ready at once, with the servers of the configuration.
import { limits } from "../limits.ts";

export const startParts = ["config", "keys", "coordinator", "store", "mqtt", "rest"] as const;
export type StartPart = (typeof startParts)[number];

export interface StartGate {
  /** Every part up to the one that is waited for; a part keeps trying until it is ready. */
  readonly begun: ReadonlySet<StartPart>;
  readonly ready: ReadonlySet<StartPart>;
  /** The first that is not ready; undefined: the gate is open. */
  readonly waitsFor: StartPart | undefined;
  readonly sinceMs: number;
  readonly logAtMs: number;
  /** What the part said when it failed last. */
  readonly reason: string | undefined;
}

export type StartEvent =
  | { readonly type: "ready"; readonly part: StartPart }
  /** It was ready and is not any more, while others are still waited for: what comes after it is not begun. */
  | { readonly type: "lost"; readonly part: StartPart; readonly reason: string }
  /** An attempt failed; the part tries again by itself. */
  | { readonly type: "failed"; readonly part: StartPart; readonly reason: string }
  | { readonly type: "tick" };

export type StartEffect =
  | { readonly type: "begin"; readonly part: StartPart }
  /** About once a minute while one part is missing. */
  | {
      readonly type: "log-delay";
      readonly part: StartPart;
      readonly waitedMs: number;
      readonly reason: string | undefined;
    }
  /** Once. */
  | { readonly type: "open" };

export function newStartGate(nowMs: number): readonly [StartGate, readonly StartEffect[]] {
  const gate: StartGate = {
    begun: new Set(),
    ready: new Set(),
    waitsFor: undefined,
    sinceMs: nowMs,
    logAtMs: Number.POSITIVE_INFINITY,
    reason: undefined,
  };
  return advance(gate, nowMs);
}

/** `nowMs` never steps back. */
export function stepStartGate(
  gate: StartGate,
  event: StartEvent,
  nowMs: number,
): readonly [StartGate, readonly StartEffect[]] {
  if (gate.waitsFor === undefined) return [gate, []];
  switch (event.type) {
    case "ready":
      if (!gate.begun.has(event.part)) return [gate, []];
      return advance({ ...gate, ready: new Set(gate.ready).add(event.part) }, nowMs);
    case "lost": {
      const ready = new Set(gate.ready);
      if (!ready.delete(event.part)) return [gate, []];
      const [next, effects] = advance({ ...gate, ready }, nowMs);
      return [next.waitsFor === event.part ? { ...next, reason: event.reason } : next, effects];
    }
    case "failed":
      return [event.part === gate.waitsFor ? { ...gate, reason: event.reason } : gate, []];
    case "tick": {
      if (nowMs < gate.logAtMs) return [gate, []];
      const { waitsFor: part, sinceMs, reason } = gate;
      const told: StartEffect = { type: "log-delay", part, waitedMs: nowMs - sinceMs, reason };
      return [{ ...gate, logAtMs: nowMs + limits.startDelayLogMs }, [told]];
    }
  }
}

/** Begins the first part that is not ready, unless it has been begun. */
function advance(gate: StartGate, nowMs: number): readonly [StartGate, readonly StartEffect[]] {
  const part = startParts.find((one) => !gate.ready.has(one));
  if (part === undefined)
    return [{ ...gate, waitsFor: undefined, logAtMs: Number.POSITIVE_INFINITY }, [{ type: "open" }]];
  if (part === gate.waitsFor) return [gate, []];
  const logAtMs = nowMs + limits.startDelayLogMs;
  const begun = new Set(gate.begun).add(part);
  const next = { ...gate, begun, waitsFor: part, sinceMs: nowMs, logAtMs, reason: undefined };
  return [next, gate.begun.has(part) ? [] : [{ type: "begin", part }]];
}
