// Servers on TCP ports.
import { createServer, isIPv6, type AddressInfo, type ListenOptions, type Server, type Socket } from "node:net";
import { FogbankError } from "#shared/errors.ts";

/** Probes a silent peer after this many milliseconds, so that a half-open connection ends. */
const keepAliveMs = 30_000;

/** Rejects with FOGBANK_LISTEN_FAILED. */
export async function listenTcp(
  { host, port }: { readonly host: string; readonly port: number },
  onSocket: (socket: Socket) => void,
): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs }, onSocket);
  await opened(server, { host, port }, isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`);
  return { server, port: boundTo(server)?.port ?? port };
}

/** The address that the system gave; nothing when the server is closed or has none. */
export function boundTo(server: Server): AddressInfo | undefined {
  const address = server.address();
  return typeof address === "object" && address !== null ? address : undefined;
}

/** Resolves when `server` listens, or rejects with FOGBANK_LISTEN_FAILED about `where`. */
export async function opened(server: Server, options: ListenOptions, where: string): Promise<void> {
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen(options, listening.resolve);
  try {
    await listening.promise;
  } catch (error) {
    throw listenError(where, error);
  }
  server.off("error", listening.reject);
  server.on("error", () => {}); // accepting failed, for want of file descriptors perhaps: the next connection may succeed
}

export function listenError(where: string, error: unknown): FogbankError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
  return new FogbankError("FOGBANK_LISTEN_FAILED", `cannot listen on ${where} (${code}): ${adviceOn(code, where)}`, {
    cause: error,
  });
}

function adviceOn(code: string, where: string): string {
  const isPath = where.startsWith("unix:");
  if (code === "EADDRINUSE")
    return `another program listens there: stop it or choose another ${isPath ? "path" : "port"}`;
  // The system answers EACCES for a folder that is missing, too.
  if (isPath) return "check that the folder exists and that this user may write into it";
  if (code === "EACCES") return "this user may not open that port: choose one above 1023 or give the right to";
  return "check that the address belongs to this machine";
}
