// The connection on which a node greets its parent and hears it: one end of it is a whole node's uplink, or that of a hollow one.
import type { NodeName } from "#shared/ids.ts";
import { controlClientId, downFilter, upTopic } from "#shared/topics.ts";
import { usernameOf } from "./child-gate.ts";
import type { DialOptions } from "./parent-connection.ts";

export interface ControlDial {
  readonly name: NodeName;
  readonly identity: Parameters<typeof usernameOf>[0];
  /** The frame that the parent's broker publishes when the connection breaks. */
  readonly departure: Uint8Array;
  readonly onMessage: DialOptions["onMessage"];
  /** Not called once `signal` has aborted: the attempt was given up. */
  readonly onClosed: DialOptions["onClosed"];
  readonly signal: AbortSignal;
}

export function controlDialOptions({
  name,
  identity,
  departure,
  onMessage,
  onClosed,
  signal,
}: ControlDial): DialOptions {
  return {
    clientId: controlClientId(name),
    username: usernameOf(identity),
    subscribe: downFilter(name),
    will: { topic: upTopic(name, "w"), payload: departure },
    onMessage,
    onClosed(reason) {
      if (!signal.aborted) onClosed(reason);
    },
  };
}
