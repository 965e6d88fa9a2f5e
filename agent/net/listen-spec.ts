// Where a node listens, and what a listener hands on for each connection.
import type { Duplex } from "node:stream";
import type { ConnectionOrigin } from "./connection-origin.ts";
import type { TlsCredentials } from "./tls-credentials.ts";

export type Transport = ConnectionOrigin["transport"];

export interface ListenAddress {
  readonly transport: Transport;
  /** Name or address; as in PostgreSQL a path, which begins with a slash, is a Unix socket. */
  readonly host: string;
  /** 0 lets the system choose; of a Unix socket always 0. */
  readonly port: number;
}

export interface ListenSpec extends ListenAddress {
  /** What `tls` and `wss` need; the others have none. */
  readonly tls?: TlsCredentials;
}

/** One connection that has got through its handshakes. Whoever takes it owns the stream; its failures are harmless without a listener. */
export interface Accepted {
  readonly stream: Duplex;
  readonly origin: ConnectionOrigin;
}
