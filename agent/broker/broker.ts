// The Broker port: what a node needs from its MQTT broker. Implementations pass test/contract/broker-contract.ts.
//
// A publish of a client is acknowledged only after every matching interceptor has settled: what must be durable at the
// acknowledgement is made durable by an interceptor (the journal). Everything a broker keeps for clients is bounded; what a bound
// drops is counted in `stats`.
import type { Bus } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";

export interface BrokerDeps {
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Address {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface BrokerConfig {
  readonly authorizer: Authorizer;
}

export interface ClientInfo {
  readonly clientId: string;
  readonly username?: string;
  readonly remoteAddress?: string;
}

/** A client that is connected now. */
export interface ConnectedClient extends ClientInfo {
  /** Milliseconds since 1970. */
  readonly connectedSinceMs: number;
}

/** Who may do what. Asked for every connection, subscription and client publish (wills included), so it must be quick. */
export interface Authorizer {
  /** True, or the reason for the log why the client may not connect. */
  connect(client: ClientInfo, password: Uint8Array | undefined): true | string;
  /** A refused publish is not acknowledged: at QoS 0 it is dropped, otherwise the connection is closed at once. */
  publish(client: ClientInfo, topic: string): boolean;
  /** A refused subscription is answered with the failure code. */
  subscribe(client: ClientInfo, filter: string): boolean;
}

export interface ClientEvent {
  readonly type: "connected" | "disconnected";
  readonly clientId: string;
}

/** Counters since the start; `connections`, `sessions`, `queued…` and `retained` are as of now. */
export interface BrokerStats {
  readonly connections: number;
  /** Sessions kept for clients that connect with clean session off, connected or not. */
  readonly sessions: number;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  readonly retained: number;
  readonly connectionsRefused: number;
  /** Publishes from clients, wills included. */
  readonly publishesIn: number;
  readonly publishesTaken: number;
  /** Refused by an interceptor, by the authorizer or for their topic. */
  readonly publishesRefused: number;
  /** Messages not delivered because a bound was reached: a slow subscriber at QoS 0, a full session queue, a full retained store. */
  readonly dropped: number;
  /** Connections closed because they did not read what was sent to them. */
  readonly slowClosed: number;
}

/** Started means that parts may use it; clients come with `listen`, when every interceptor is in place. Disposed means stopped, every connection closed, and awaited. Wills of clients cut off by the stop are not published. */
export interface Broker extends Bus, AsyncDisposable {
  /** Accepts clients on every address, once; answers them with the ports that the system chose. Rejects with FOGBANK_LISTEN_FAILED and listens on none. */
  listen(addresses: readonly Address[]): Promise<readonly Address[]>;
  clients(): readonly ConnectedClient[];
  /** Closes the connection of `clientId`, if there is one, without a clean goodbye: its will is published. */
  disconnect(clientId: string): void;
  /** Tells of connections in order: for one client id "connected" and "disconnected" alternate, also when a newer one takes over. */
  onClient(listener: (event: ClientEvent) => void): Disposable;
  stats(): BrokerStats;
}
