// Where a connection comes from.
/** What a listener knows of a connection before its first byte. */
export interface ConnectionOrigin {
  readonly transport: "tcp" | "tls" | "ws" | "wss" | "unix";
  /** The peer's address; absent on a Unix socket. */
  readonly remoteAddress?: string;
  /** It came in through a listener that only this machine reaches: loopback or a Unix socket. */
  readonly isLocal: boolean;
  /** Common name of the client's certificate, when TLS has verified it. */
  readonly certificateName?: string;
}
