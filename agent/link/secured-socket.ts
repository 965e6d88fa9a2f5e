// A socket over TLS. Loaded by a node that dials so: `node:tls` reads all the authorities that Node knows, 2 MB that nobody else needs.
import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";

/** Texts in PEM form: whom to believe, and what to show. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Says `secureConnect` when the other end has shown that it is `host`; else it ends with an error. */
export function dialSecured(
  { host, port }: { readonly host: string; readonly port: number },
  files: TlsFiles,
): TLSSocket {
  return connect({ host, port, ...files, rejectUnauthorized: true, ...(isIP(host) === 0 && { servername: host }) });
}
