// The Broker port: what a node needs from its MQTT broker. Implementations pass test/contract/broker-contract.ts.
//
// A publish of a client is acknowledged only after every matching interceptor has settled: what must be durable at the
// acknowledgement is made durable by an interceptor (the journal). Everything a broker keeps for clients is bounded; what a bound
// drops is counted in `stats`.
import type { ConnectionOrigin } from "../net/connection-origin.ts";
import type { ListenSpec } from "../net/listen-spec.ts";
import type { Bus } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";

export interface BrokerDeps {
  readonly clock: Clock;
  readonly log: Logger;
}

/** Where a broker listens, and where a client came in. */
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
  /** How it came in. */
  readonly origin?: ConnectionOrigin;
}

/** A client that is connected now. */
export interface ConnectedClient extends ClientInfo {
  /** Milliseconds since 1970. */
  readonly connectedSinceMs: number;
}

/** Why a client may not connect: `credentials` (wrong or missing), `not-authorized`, `busy` (try later). `reason` goes into the log, and to an MQTT 5 client. */
export interface AdmissionRefused {
  readonly refused: "credentials" | "not-authorized" | "busy";
  readonly reason: string;
}

export type Admission = true | AdmissionRefused;

/** Who may do what. Asked for every connection, subscription and client publish (wills included), so it must be quick. */
export interface Authorizer {
  /** Checking a password takes its time: then the answer is a promise, and the connection waits for it. */
  connect(client: ClientInfo, password: Uint8Array | undefined): Admission | Promise<Admission>;
  /** A refused publish is not routed: MQTT 5 answers 0x87, the connection of an older client is closed; at QoS 0 it is dropped. */
  publish(client: ClientInfo, topic: string): boolean;
  /** A refused subscription is answered with the failure code. */
  subscribe(client: ClientInfo, filter: string): boolean;
  /**
   * Clients with the same role (the same object) may do the same on every topic that does not begin with `$`, so that a decision
   * can be kept. Undefined: decisions are not shared. After a change of rules every role is a new object.
   */
  roleOf(client: ClientInfo): object | undefined;
  /** The name that the client has proved; empty: none. What waits for one user is not for another. */
  userOf(client: ClientInfo): string;
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
  /** Deliveries to clients. */
  readonly publishesOut: number;
  /** Messages not delivered, for any of the reasons below. */
  readonly dropped: number;
  /** QoS 0 for a client that does not read fast enough. */
  readonly droppedSlow: number;
  /** The oldest of a session's full queue. */
  readonly droppedQueueFull: number;
  /** Larger than its client takes. */
  readonly droppedTooLarge: number;
  readonly droppedExpired: number;
  /** Retained messages that there was no room for. */
  readonly droppedRetained: number;
  /** Connections closed for what they sent. */
  readonly protocolErrors: number;
  /** Connections closed because they did not read what was sent to them. */
  readonly slowClosed: number;
}

/** Started means that parts may use it; clients come with `listen`, when every interceptor is in place. Disposed means stopped, every connection closed, and awaited. Wills of clients cut off by the stop are not published. */
export interface Broker extends Bus, AsyncDisposable {
  /** Accepts clients on every address, once; answers them with the ports that the system chose. Rejects with FOGBANK_LISTEN_FAILED and listens on none. */
  listen(addresses: readonly (Address | ListenSpec)[]): Promise<readonly Address[]>;
  clients(): readonly ConnectedClient[];
  /** Closes the connection of `clientId`, if there is one, without a clean goodbye: its will is published. */
  disconnect(clientId: string): void;
  /** Rights have changed: asks the authorizer again for everything that was decided, subscriptions included. */
  reauthorize(): void;
  /** Tells of connections in order: for one client id "connected" and "disconnected" alternate, also when a newer one takes over. */
  onClient(listener: (event: ClientEvent) => void): Disposable;
  stats(): BrokerStats;
}
