// The in-process half of the Broker port: how the parts of a node talk to clients and to each other.

export type Qos = 0 | 1 | 2;

/** A message on its way through the broker. `payload` may alias a network buffer: copy before keeping it. */
export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
}

/** What arrived from a client, before routing. */
export interface InboundPublish extends Message {
  /** Client identifier of the session, or null for `inject`. */
  readonly clientId: string | null;
  /** The publisher says that it may have sent this before (DUP); absent: it has not. */
  readonly repeated?: boolean;
  /** When an in-process publisher took the value, milliseconds since 1970; absent: now. */
  readonly timeMs?: number;
}

/**
 * What an interceptor decides about a publish:
 * - `pass`: go on (next interceptor, then routing and the acknowledgement);
 * - `take`: acknowledged to the publisher, routed to nobody;
 * - `refuse`: neither acknowledged nor routed. A 3.1.1 client's connection is closed after `limits.refusedPublishHoldMs`
 *   (`now`: at once), QoS 0 is dropped.
 */
export type Verdict =
  | { readonly type: "pass" }
  | { readonly type: "take" }
  | { readonly type: "refuse"; readonly reason: string; readonly now?: boolean };

/**
 * Sees a publish before it is routed and holds its acknowledgement until `settle` is called, exactly once, at once or later.
 * A callback instead of a promise: this runs for every message.
 */
export type Interceptor = (publish: InboundPublish, settle: (verdict: Verdict) => void) => void;

export interface Bus {
  /** Puts `interceptor` before the routing of every client publish (wills included) and every `inject` that matches `filter`. In order of registration. */
  intercept(filter: string, interceptor: Interceptor): Disposable;
  /** Publishes as the node itself: no interceptor sees it. Returns when the message is handed to the subscribers' queues. */
  publish(message: Message): Promise<void>;
  /** Publishes as an in-process client: interceptors see it, and the verdict comes back when it is settled and routed. */
  inject(message: Message & Pick<InboundPublish, "timeMs">): Promise<Verdict>;
  /** Calls `handler` for every routed message that matches. The handler must not wait. */
  subscribe(filter: string, handler: (message: Message) => void): Disposable;
  /** Whether any client or in-process subscription matches `topic` now. */
  hasSubscriber(topic: string): boolean;
  /** Whether any such subscription could match some topic that begins with `prefix` and a slash. `prefix` has no wildcards. */
  hasSubscriberBelow(prefix: string): boolean;
}
