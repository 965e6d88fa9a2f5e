// One MQTT connection from this node up to its parent's broker. The only place of a link that opens a connection [J4].

/** Everything the link needs of a connection; a frame is a QoS 0 publish. */
export interface ParentConnection extends AsyncDisposable {
  /** Sends a frame. On a connection that is gone this does nothing: `onClosed` has told. */
  send(topic: string, payload: Uint8Array): void;
  /** Breaks the connection: what is written is dropped, and the parent's broker publishes the will. Disposing says goodbye instead. */
  drop(): void;
}

export interface DialOptions {
  readonly clientId: string;
  /** The node's uuid: tells the parent's broker, before anything is taken over, whether this is the node that it knows by that name. */
  readonly username: string;
  /** What to subscribe, or undefined for a connection that only sends. */
  readonly subscribe: string | undefined;
  readonly will: { readonly topic: string; readonly payload: Uint8Array } | undefined;
  /** `payload` is only valid during the call. */
  onMessage(topic: string, payload: Uint8Array): void;
  /** Called once, after the dial has resolved. */
  onClosed(reason: string): void;
}

/** Connects and subscribes; rejects with FOGBANK_NOT_CONNECTED or when `signal` aborts. */
export type DialParent = (options: DialOptions, signal: AbortSignal) => Promise<ParentConnection>;
