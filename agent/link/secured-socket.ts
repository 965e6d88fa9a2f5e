// A socket over TLS. Loaded by a node that dials so: `node:tls` reads all the authorities that Node knows, 2 MB that nobody else needs.
import { isIP } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";

export type TlsFiles = Pick<ConnectionOptions, "ca" | "cert" | "key">;

/** Says `secureConnect` when the other end has shown that it is `host`; else it ends with an error. */
export function dialSecured(
  { host, port }: { readonly host: string; readonly port: number },
  files: TlsFiles,
): TLSSocket {
  return connect({ host, port, ...files, rejectUnauthorized: true, ...(isIP(host) === 0 && { servername: host }) });
}
