// Listeners on free ports of loopback, with everything that they accept in a queue.
import { type EventEmitter, once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Accepted, ListenSpec, Transport } from "#agent/net/listen-spec.ts";
import { type Listeners, listenStreams } from "#agent/net/listeners.ts";
import { loadTlsCredentials, type TlsCredentials } from "#agent/net/tls-credentials.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { createTestAuthority, type TestAuthority } from "../../fakes/certificates.ts";

export interface ListenBench extends AsyncDisposable {
  readonly listeners: Listeners;
  readonly clock: FakeClock;
  /** Of the first listener. */
  readonly port: number;
  /** The next connection that was handed on. */
  accepted(): Promise<Accepted>;
  /** Those that nobody has asked for. */
  readonly waiting: readonly Accepted[];
}

export async function listenOn(
  specs: readonly (Transport | ListenSpec)[],
  { tls, connectionsMax = 100 }: { readonly tls?: TlsCredentials; readonly connectionsMax?: number } = {},
): Promise<ListenBench> {
  const clock = new FakeClock();
  const waiting: Accepted[] = [];
  let arrived = Promise.withResolvers<void>();
  const listeners = await listenStreams(
    specs.map((spec) =>
      typeof spec === "string" ? { transport: spec, host: "127.0.0.1", port: 0, ...(tls && { tls }) } : spec,
    ),
    { connectionsMax, clock },
    (accepted) => {
      waiting.push(accepted);
      arrived.resolve();
    },
  );
  return {
    listeners,
    clock,
    port: listeners.addresses[0]?.port ?? 0,
    waiting,
    async accepted() {
      for (;;) {
        const next = waiting.shift();
        if (next !== undefined) return next;
        arrived = Promise.withResolvers();
        await arrived.promise;
      }
    },
    // The clock stands still: peers in these tests read, so that nothing waits for it.
    [Symbol.asyncDispose]: () => listeners[Symbol.asyncDispose](),
  };
}

export const authority: TestAuthority = createTestAuthority();

export function serverCredentials(options: { ca?: string; require?: boolean } = {}): TlsCredentials {
  const { cert, key } = authority.issue("server");
  const files: Record<string, string | undefined> = { cert, key, ca: options.ca };
  const { ca, require = false } = options;
  return loadTlsCredentials(
    { cert: "cert", key: "key", ...(ca !== undefined && { ca: "ca" }), requireClientCertificate: require },
    (path) => files[path] ?? "",
  );
}

export async function dial(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** Resolves at its close, whatever it closed for. */
export function closed(socket: EventEmitter): Promise<void> {
  return new Promise((resolve) => void socket.on("error", () => {}).once("close", () => resolve()));
}

/** Everything that comes until the end of the connection, as text. */
export async function readToEnd(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (bytes: Buffer) => (text += bytes.toString("latin1")));
  if (!socket.closed) await once(socket, "close");
  return text;
}
