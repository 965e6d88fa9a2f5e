// What goes wrong between a program and its node.

/**
 * - `not-connected`: there is no node at that address, or the connection ended before it was known what became of the request;
 * - `unauthorized`: the node does not let this client in, or not do that;
 * - `refused`: the node says why it does not do it, such as that its journal is full;
 * - `timeout`: no answer in time: it may or may not have happened;
 * - `cancelled`: a call that was cancelled, or a wait that the caller's signal ended;
 * - `closed`: this client was closed;
 * - `bad-answer`: what came is not what a node of this version answers;
 * - `bad-argument`: a name, value or option that cannot be used.
 */
export type ClientErrorCode =
  | "not-connected"
  | "unauthorized"
  | "refused"
  | "timeout"
  | "cancelled"
  | "closed"
  | "bad-answer"
  | "bad-argument";

/** An expected failure with a stable `code`. */
export class FogbankClientError extends Error {
  readonly code: ClientErrorCode;

  constructor(code: ClientErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "FogbankClientError";
    this.code = code;
  }
}
