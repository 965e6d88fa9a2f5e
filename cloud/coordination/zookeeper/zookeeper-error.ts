// What can become of an operation but its success: which operation on what, why, and whether it may have taken place.
import { FogbankError, type ErrorCode } from "#shared/errors.ts";

/** The server's error codes, by name. */
const refusals = {
  [-6]: "unimplemented",
  [-8]: "bad-arguments",
  [-101]: "no-node",
  [-102]: "no-auth",
  [-103]: "bad-version",
  [-108]: "no-children-for-ephemerals",
  [-110]: "node-exists",
  [-111]: "not-empty",
  [-112]: "session-expired",
  [-113]: "invalid-callback",
  [-114]: "invalid-acl",
  [-115]: "auth-failed",
  [-118]: "session-moved",
  [-119]: "not-read-only",
  [-120]: "ephemeral-on-local-session",
  [-121]: "no-watcher",
  [-122]: "request-timeout",
  [-123]: "reconfig-disabled",
  [-124]: "session-closed-require-sasl-auth",
  [-125]: "quota-exceeded",
  [-127]: "throttled",
} as const;

export type Refusal = (typeof refusals)[keyof typeof refusals] | "runtime-inconsistency" | "not-tried" | "other";

/** Why an operation did not succeed, without a server having said so. */
export type Interruption =
  | "connection-lost"
  | "session-expired"
  | "auth-failed"
  | "closed"
  | "not-sent"
  | "busy"
  | "invalid";

export interface Attempt {
  /** Such as "create". */
  readonly operation: string;
  /** As the caller named it. */
  readonly path: string;
}

const codeOf: Readonly<Record<Interruption, ErrorCode>> = {
  "connection-lost": "FOGBANK_COORDINATION_LOST",
  "session-expired": "FOGBANK_COORDINATION_ENDED",
  "auth-failed": "FOGBANK_COORDINATION_ENDED",
  closed: "FOGBANK_COORDINATION_ENDED",
  "not-sent": "FOGBANK_COORDINATION_UNREACHABLE",
  busy: "FOGBANK_COORDINATION_UNREACHABLE",
  invalid: "FOGBANK_COORDINATION_INVALID",
};

export class ZooKeeperError extends FogbankError {
  readonly reason: Refusal | Interruption;
  readonly attempt: Attempt;
  /** `unknown`: it was on its way, and may have taken place. */
  readonly outcome: "not-done" | "unknown";

  constructor(
    code: ErrorCode,
    reason: Refusal | Interruption,
    attempt: Attempt,
    outcome: "not-done" | "unknown",
    message: string,
  ) {
    super(code, `${attempt.operation} ${attempt.path}: ${message}`);
    this.name = "ZooKeeperError";
    this.reason = reason;
    this.attempt = attempt;
    this.outcome = outcome;
  }
}

export function refusalOf(code: number): Refusal {
  if (code === -1) return "not-tried";
  if (code === -2) return "runtime-inconsistency";
  return refusals[code as keyof typeof refusals] ?? "other";
}

/** A server answered the operation with `code`, below 0. */
export function refused(attempt: Attempt, code: number): ZooKeeperError {
  const reason = refusalOf(code);
  const message = `refused by the server: ${reason} (${code})`;
  return new ZooKeeperError("FOGBANK_COORDINATION_REFUSED", reason, attempt, "not-done", message);
}

/** `sent`: it was on its way. */
export function interrupted(attempt: Attempt, reason: Interruption, sent: boolean, detail: string): ZooKeeperError {
  const outcome = sent ? "unknown" : "not-done";
  const message = sent ? `${detail}; whether it has taken place is unknown` : detail;
  return new ZooKeeperError(codeOf[reason], reason, attempt, outcome, message);
}
