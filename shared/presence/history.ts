// The last changes of something that has one state at a time, and how often each state began. Bounded by `limits.presenceChanges`.
import { limits } from "../limits.ts";

export interface Change<State extends string> {
  readonly state: State;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
  readonly reason?: string;
}

export interface History<State extends string> {
  /** The present state last. */
  readonly changes: readonly Change<State>[];
  /** All changes since the node was started, also those that are not listed any more. */
  readonly counts: { readonly [S in State]?: number };
}

export function emptyHistory<State extends string>(): History<State> {
  return { changes: [], counts: {} };
}

export function withChange<State extends string>(history: History<State>, change: Change<State>): History<State> {
  const { changes, counts } = history;
  return {
    changes: [...changes.slice(1 - limits.presenceChanges), change],
    counts: { ...counts, [change.state]: (counts[change.state] ?? 0) + 1 },
  };
}
