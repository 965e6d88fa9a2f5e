// Time flows down the tree: a node's time is what its parent last said plus what has passed since; only a root trusts its own clock.
import type { Clock } from "#shared/system/clock.ts";

export interface TreeTime {
  /** Milliseconds since 1970. */
  now(): number;
  /** The parent says that it is `parentNowMs` now. */
  learn(parentNowMs: number): void;
}

/** Until the parent has been heard, the node's own clock has to do. */
export function createTreeTime(clock: Clock): TreeTime {
  let learnt: { readonly nowMs: number; readonly atMs: number } | undefined;
  return {
    now: () => (learnt === undefined ? clock.now() : Math.round(learnt.nowMs + clock.monotonic() - learnt.atMs)),
    learn(parentNowMs) {
      learnt = { nowMs: parentNowMs, atMs: clock.monotonic() };
    },
  };
}
