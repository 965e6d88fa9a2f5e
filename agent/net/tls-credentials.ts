// Certificate and key of this node's listeners, and whose client certificates it believes. Read again without a restart: listeners
// follow, and connections that stand go on as they are.
import { randomBytes, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { FogbankError } from "#shared/errors.ts";

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** With it clients are asked for a certificate, which is verified against these authorities. */
  readonly ca?: string;
  /** Whoever has none may not connect. */
  readonly requireClientCertificate: boolean;
}

export interface TlsCredentials {
  readonly asksForCertificate: boolean;
  readonly requiresCertificate: boolean;
  /** What a listener secures its connections with now. */
  context(): SecureContextOptions & { readonly ticketKeys: Buffer };
  /** Milliseconds since 1970 when the certificate ends. */
  expiresAtMs(): number;
  /** Throws FOGBANK_TLS_INVALID; what was in force stays so. */
  reload(): void;
  onReload(listener: () => void): Disposable;
}

/** Throws FOGBANK_TLS_INVALID when a file cannot be used. `readFile` throws when there is none. */
export function loadTlsCredentials(files: TlsFiles, readFile: (path: string) => string): TlsCredentials {
  let current = load(files, readFile);
  const listeners = new Set<() => void>();
  return {
    asksForCertificate: files.ca !== undefined,
    requiresCertificate: files.requireClientCertificate,
    context: () => current.context,
    expiresAtMs: () => current.expiresAtMs,
    reload() {
      current = load(files, readFile);
      for (const listener of listeners) listener();
    },
    onReload(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
}

function load(
  { cert, key, ca }: TlsFiles,
  readFile: (path: string) => string,
): { readonly context: SecureContextOptions & { readonly ticketKeys: Buffer }; readonly expiresAtMs: number } {
  const text = (path: string, what: string): string =>
    attempt(`read the ${what} ${path}`, "name a PEM file that this user may read", () => readFile(path));
  const pem = { cert: text(cert, "certificate"), key: text(key, "key"), ...(ca && { ca: text(ca, "authorities") }) };
  const pemAdvice = "it must be PEM text, the node's own certificate first";
  const expiresAtMs = attempt(`use the certificate ${cert}`, pemAdvice, () =>
    Date.parse(new X509Certificate(pem.cert).validTo),
  );
  if (ca !== undefined) {
    attempt(
      `use the authorities ${ca}`,
      "they must be certificates as PEM text",
      () => new X509Certificate(pem.ca ?? ""),
    );
  }
  attempt(`use the certificate ${cert} with the key ${key}`, "they must be PEM text and belong together", () =>
    createSecureContext(pem),
  );
  // New keys for tickets: a session that an authority no longer believed has opened is not resumed.
  return { context: { ...pem, ticketKeys: randomBytes(48) }, expiresAtMs };
}

function attempt<T>(what: string, advice: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FogbankError("FOGBANK_TLS_INVALID", `cannot ${what}: ${reason}: ${advice}`, { cause });
  }
}
