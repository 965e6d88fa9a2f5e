// One run of a function on this node, and how it ends.
import type { Encoding } from "#shared/machine/envelope.ts";
import type { PlainValue } from "#shared/machine/plain-value.ts";

/** How a run ended. `expired`: it has not begun, and would begin too late. */
export type Outcome =
  | { readonly status: "done"; readonly value: PlainValue }
  | { readonly status: "failed" | "refused" | "expired"; readonly reason: string };

export interface Run {
  readonly id: string;
  readonly name: string;
  readonly args: PlainValue;
  readonly origin: string;
  /** When nobody waits for an answer any more, on the clock of this machine that never steps: other machines' clocks may differ. */
  readonly dueMs: number;
  /** Whether it may run again when a program has not finished it. */
  readonly isRepeatable: boolean;
  readonly encoding: Encoding;
  /** Topic that programs which offer the function are subscribed to. */
  readonly topic: string;
}
