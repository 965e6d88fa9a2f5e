// TLS on accepted sockets, with the names that client certificates prove. Loaded by a node that has such a listener: `node:tls` reads
// all the authorities that Node knows, 2 MB that nobody else needs.
import type { Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import type { TlsCredentials } from "./tls-credentials.ts";

export interface Secured {
  readonly socket: TLSSocket;
  /** Common name of the peer's verified certificate. A subject with several of them names nobody. */
  readonly certificateName: string | undefined;
}

export interface TlsHandshake extends Disposable {
  /** Rejects when the handshake fails or the peer leaves; it has no time limit of its own. */
  secure(socket: Socket): Promise<Secured>;
}

/** Follows `credentials` when they are read again. */
export function createTlsHandshake(credentials: TlsCredentials): TlsHandshake {
  const waiting = new Map<string, (secured: TLSSocket) => void>();
  // It never listens itself: every socket is handed to it, so that all kinds of listeners count and close theirs in one way.
  const server = createServer({
    ...credentials.context(),
    requestCert: credentials.asksForCertificate,
    rejectUnauthorized: credentials.requiresCertificate,
  });
  const following = credentials.onReload(() => server.setSecureContext(credentials.context()));
  server.on("secureConnection", (secured) => {
    const resolve = secured.remoteAddress === undefined ? undefined : waiting.get(endpointsOf(secured));
    if (resolve === undefined) secured.destroy();
    else resolve(secured);
  });
  server.on("tlsClientError", (_error, secured) => secured.destroy());
  return {
    async secure(socket) {
      if (socket.remoteAddress === undefined) throw new Error("the peer has left before the TLS handshake");
      const endpoints = endpointsOf(socket);
      const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
      const onClose = (): void => reject(new Error("the TLS handshake was not finished"));
      socket.once("close", onClose);
      waiting.set(endpoints, resolve);
      server.emit("connection", socket);
      try {
        const secured = await promise;
        return { socket: secured, certificateName: certificateNameOf(secured) };
      } finally {
        waiting.delete(endpoints);
        socket.off("close", onClose);
      }
    },
    [Symbol.dispose]: () => following[Symbol.dispose](),
  };
}

function certificateNameOf(socket: TLSSocket): string | undefined {
  if (!socket.authorized) return undefined;
  const name: unknown = socket.getPeerCertificate().subject?.CN;
  return typeof name === "string" && name !== "" ? name : undefined;
}

/** What a connection's two ends are called: the same for the socket before and after it is secured, and for no other that stands. */
function endpointsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
