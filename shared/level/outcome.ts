// What became of a function at one level.
import type { PlainValue } from "../machine/plain-value.ts";

/**
 * `refused`: not begun there. `timeout`: no answer in time, it may have run. `unreachable`: it never got there. In the order of their
 * numbers on the wire.
 */
export type LevelStatus = "ok" | "failed" | "refused" | "timeout" | "unreachable";

export const levelStatuses: readonly LevelStatus[] = ["ok", "failed", "refused", "timeout", "unreachable"];

export type LevelOutcome =
  | { readonly status: "ok"; readonly value: PlainValue }
  | { readonly status: Exclude<LevelStatus, "ok">; readonly reason: string };

/** Of whoever has not answered in time. */
export const timedOut: LevelOutcome = { status: "timeout", reason: "no answer before the deadline" };
