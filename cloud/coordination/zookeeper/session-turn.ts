// One step of the session machine while it is being made: the state so far, and the effects in their order.
import type { Operation, SessionChange, SessionEffect, SessionState } from "./session-state.ts";
import { interrupted, type Interruption } from "./zookeeper-error.ts";

export interface Turn {
  state: SessionState;
  readonly effects: SessionEffect[];
  readonly nowMs: number;
  readonly jitter: number;
}

export function change(turn: Turn, to: SessionChange): void {
  turn.effects.push({ type: "session", change: to });
}

/** `sent`: the operation was on its way, and may have taken place. */
export function fail(turn: Turn, operation: Operation, reason: Interruption, sent: boolean, detail: string): void {
  const error = interrupted(operation.attempt, reason, sent, detail);
  turn.effects.push({ type: "fail", operation: operation.id, error });
}
