// Errors that a peer, a user or the surroundings cause. A bug of our own is an `assert`, not one of these.

/** Stable codes; the README lists each with its meaning and the CLI prints them. */
export type ErrorCode =
  | "FOGBANK_CONFIG_SYNTAX"
  | "FOGBANK_CONFIG_INVALID"
  | "FOGBANK_LISTEN_FAILED"
  | "FOGBANK_LISTEN_INSECURE"
  | "FOGBANK_TLS_INVALID"
  | "FOGBANK_USERS_INVALID"
  | "FOGBANK_DATA_DIR"
  | "FOGBANK_STORE_CORRUPT"
  | "FOGBANK_STORE_FULL"
  | "FOGBANK_STORE_FAILED"
  | "FOGBANK_STORE_CLOSED"
  | "FOGBANK_STORE_AWAY"
  | "FOGBANK_STORE_FOREIGN"
  | "FOGBANK_DATA_REFUSED"
  | "FOGBANK_PAYLOAD_TOO_LARGE"
  | "FOGBANK_TOPIC_INVALID"
  | "FOGBANK_NAME_INVALID"
  | "FOGBANK_NOT_CONNECTED"
  | "FOGBANK_NOT_ACKNOWLEDGED"
  | "FOGBANK_SUBSCRIPTION_REFUSED"
  | "FOGBANK_NODE_UNKNOWN"
  | "FOGBANK_HTTP_REQUEST"
  | "FOGBANK_CALL_REFUSED"
  | "FOGBANK_RESULTS_NOT_WRITTEN"
  | "FOGBANK_COORDINATION_REFUSED"
  | "FOGBANK_COORDINATION_LOST"
  | "FOGBANK_COORDINATION_ENDED"
  | "FOGBANK_COORDINATION_UNREACHABLE"
  | "FOGBANK_COORDINATION_INVALID"
  | "FOGBANK_COORDINATION_PROTOCOL"
  | "FOGBANK_INSTALL_FAILED"
  | "FOGBANK_USAGE";

/** An expected failure with a stable `code`. The message says what was attempted, on what, and what to do. */
export class FogbankError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "FogbankError";
    this.code = code;
  }
}

/** For what may only fail with a code; anything else is a bug, and is thrown on. */
export function asFogbankError(error: unknown): FogbankError {
  if (error instanceof FogbankError) return error;
  throw error;
}
