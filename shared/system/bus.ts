// The in-process half of the Broker port: how the parts of a node talk to clients and to each other.
import type { FogbankError } from "../errors.ts";

export type Qos = 0 | 1 | 2;

/** A message on its way through the broker. `payload` may alias a network buffer: copy before keeping it. */
export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  /** Encoded MQTT 5 properties that are forwarded as they are, without their length; absent: none. */
  readonly properties?: Uint8Array;
}

/** What arrived from a client, before routing. */
export interface InboundPublish extends Message {
  /** Client identifier of the session, or null for `inject`. */
  readonly clientId: string | null;
  /** The publisher says that it may have sent this before (DUP); absent: it has not. */
  readonly repeated?: boolean;
  /** How long the publisher wants it to live (MQTT 5, message expiry interval); absent: for ever. */
  readonly expirySeconds?: number;
  /** When an in-process publisher took the value, milliseconds since 1970; absent: now. */
  readonly timeMs?: number;
}

/**
 * What an interceptor decides about a publish:
 * - `pass`: go on (next interceptor, then routing and the acknowledgement). With a receipt, routing goes on and the
 *   acknowledgement waits for the commit that the receipt stands for;
 * - `take`: acknowledged to the publisher, routed to nobody;
 * - `refuse`: not routed. MQTT 5 is answered with a reason (`now`: it will never be taken, else: not at present). An older
 *   client's connection is closed, unacknowledged, after `limits.refusedPublishHoldMs` (`now`: at once). QoS 0 is dropped.
 */
export type Verdict =
  | { readonly type: "pass"; readonly receipt?: StoreReceipt }
  | { readonly type: "take" }
  | { readonly type: "refuse"; readonly reason: string; readonly now?: boolean };

/** Waits for a commit. */
export interface StoreWaiter {
  /** Null: all of it is durable. */
  stored(error: FogbankError | null): void;
}

/** Stands for messages that one commit stores together. */
export interface StoreReceipt {
  /** Tells `waiter` once, when the commit has ended; at once when it has already. */
  wait(waiter: StoreWaiter): void;
}

/**
 * Sees a publish before it is routed and holds its acknowledgement until `settle` is called, exactly once, at once or later.
 * A callback instead of a promise: this runs for every message.
 */
export type Interceptor = (publish: InboundPublish, settle: (verdict: Verdict) => void) => void;

/** Who a client is, and where it may publish now. */
export interface ClientRights {
  /** The name that it has proved; empty: none. */
  readonly user: string;
  mayPublish(topic: string): boolean;
}

export interface Bus {
  /** Puts `interceptor` before the routing of every client publish (wills included) and every `inject` that matches `filter`. In order of registration. */
  intercept(filter: string, interceptor: Interceptor): Disposable;
  /**
   * Publishes as the node itself: no interceptor sees it. Resolves when the message is in the subscribers' queues, durable for those
   * that outlive their connection. A retained one is kept in memory only, unless `keep` is "durable".
   */
  publish(message: Message, keep?: "durable"): Promise<void>;
  /** Publishes as an in-process client: interceptors see it, and the verdict comes back when it is settled, routed and, where that was promised, durable. */
  inject(message: Message & Pick<InboundPublish, "timeMs">): Promise<Verdict>;
  /** Calls `handler` for every routed message that matches. The handler must not wait. */
  subscribe(filter: string, handler: (message: Message) => void): Disposable;
  /** Whether any client or in-process subscription matches `topic` now. */
  hasSubscriber(topic: string): boolean;
  /**
   * Client identifiers of those that are connected and subscribed to `topic` itself: to whom a message goes that is published now. Of
   * each group that shares it that is one; whoever listens with a wildcard is not among them.
   */
  exactSubscribers(topic: string): readonly string[];
  /** Undefined when no client of that id is connected. */
  rightsOf(clientId: string): ClientRights | undefined;
  /** The payload that is retained on `topic`; undefined when there is none. */
  retainedPayload(topic: string): Uint8Array | undefined;
  /** Whether any such subscription could match some topic that begins with `prefix` and a slash. `prefix` has no wildcards. */
  hasSubscriberBelow(prefix: string): boolean;
}
