// TCP listeners of a broker: bytes only. Every connection that they accepted is known here until it is closed.
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { FogbankError } from "#shared/errors.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Address } from "./broker.ts";

export interface Listener extends AsyncDisposable {
  readonly addresses: readonly Address[];
  readonly connections: number;
}

/** Probes a silent peer after this many milliseconds, so that a half-open connection ends. */
const keepAliveMs = 30_000;
/** What is already written may still leave for this long when the listener stops. */
const flushMs = 500;

/** Listens on every address, or throws FOGBANK_LISTEN_FAILED and listens on none. */
export async function listenTcp(
  addresses: readonly Address[],
  connectionsMax: number,
  clock: Clock,
  onConnection: (socket: Socket) => void,
): Promise<Listener> {
  await using stack = new AsyncDisposableStack();
  const sockets = new Set<Socket>();
  const bound: Address[] = [];
  const servers: Server[] = [];
  stack.defer(() => stop(servers, sockets, clock));
  for (const address of addresses) {
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs });
    server.maxConnections = connectionsMax;
    server.on("connection", (socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      onConnection(socket);
    });
    bound.push(await listen(server, address));
    servers.push(server);
  }
  const owned = stack.move();
  return {
    addresses: bound,
    get connections() {
      return sockets.size;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function listen(server: Server, address: Address): Promise<Address> {
  const opened = Promise.withResolvers<void>();
  server.once("error", opened.reject);
  server.listen({ host: address.host, port: address.port }, opened.resolve);
  try {
    await opened.promise;
  } catch (error) {
    throw listenError(address, error);
  }
  server.off("error", opened.reject);
  server.on("error", () => {}); // accepting failed, for want of file descriptors perhaps: the next connection may succeed
  return { host: address.host, port: portOf(server.address()) ?? address.port };
}

function portOf(address: AddressInfo | string | null): number | undefined {
  return typeof address === "object" ? address?.port : undefined;
}

function listenError(address: Address, error: unknown): FogbankError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
  const advice =
    code === "EADDRINUSE"
      ? "another program listens there: stop it or choose another port"
      : code === "EACCES"
        ? "this user may not open that port: choose one above 1023 or give the right to"
        : "check that the address belongs to this machine";
  const where = `${address.host}:${address.port}`;
  return new FogbankError("FOGBANK_LISTEN_FAILED", `cannot listen on ${where} (${code}): ${advice}`, { cause: error });
}

async function stop(servers: readonly Server[], sockets: ReadonlySet<Socket>, clock: Clock): Promise<void> {
  const closed = servers.map((server) => new Promise<void>((resolve) => void server.close(() => resolve())));
  await closeSockets(sockets, clock);
  await Promise.all(closed);
}

/** Lets written bytes leave for a moment, then closes what is still open. */
async function closeSockets(sockets: ReadonlySet<Socket>, clock: Clock): Promise<void> {
  if (sockets.size === 0) return;
  const flushed = new AbortController();
  const closed = Array.from(
    sockets,
    (socket) => new Promise<void>((resolve) => void socket.once("close", () => resolve())),
  );
  const allClosed = Promise.all(closed);
  for (const socket of sockets) socket.destroySoon();
  const timeUp = clock.sleep(flushMs, flushed.signal).catch(() => {});
  await Promise.race([allClosed, timeUp]);
  flushed.abort();
  for (const socket of sockets) socket.destroy();
  await allClosed;
}
