// Every listener of a node: bytes only. Every connection that they accepted is known here until it is closed.
//
//   accepted --tls: handshake--> --ws: upgrade--> handed on     within one time limit, or it is closed
import { Socket, type Server } from "node:net";
import type { Duplex } from "node:stream";
import { assert } from "#shared/assert.ts";
import { limits } from "#shared/limits.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { ConnectionOrigin } from "./connection-origin.ts";
import type { Accepted, ListenAddress, ListenSpec } from "./listen-spec.ts";
import { boundTo, listenTcp } from "./listen-tcp.ts";
import type { TlsHandshake } from "./listen-tls.ts";
import { listenUnix } from "./listen-unix.ts";
import type { WebSocketHandshake } from "./listen-websocket.ts";
import { isLoopback } from "./loopback.ts";

export interface Listeners extends AsyncDisposable {
  /** In the order of what was asked for, with the ports that the system chose. */
  readonly addresses: readonly ListenAddress[];
  /** Those in their handshake included. */
  readonly connections: number;
}

export interface ListenOptions {
  /** Over all listeners; beyond it connections are closed as they come. */
  readonly connectionsMax: number;
  readonly clock: Clock;
}

/** What is already written may still leave for this long when the listeners stop. */
const flushMs = 500;

interface Connection {
  readonly socket: Socket;
  /** What was handed on. */
  stream?: Duplex;
}

interface Handshakes {
  readonly tls?: TlsHandshake;
  readonly webSocket?: WebSocketHandshake;
}

/** Listens on every address, or throws FOGBANK_LISTEN_FAILED and listens on none. */
export async function listenStreams(
  specs: readonly ListenSpec[],
  { connectionsMax, clock }: ListenOptions,
  onConnection: (accepted: Accepted) => void,
): Promise<Listeners> {
  await using stack = new AsyncDisposableStack();
  const connections = new Set<Connection>();
  const servers: Server[] = [];
  const bound: ListenAddress[] = [];
  stack.defer(() => stop(servers, connections, clock));
  for (const spec of specs) {
    const { transport, host } = spec;
    const handshakes = await createHandshakes(spec);
    if (handshakes.tls !== undefined) stack.use(handshakes.tls);
    let isLocal = transport === "unix";
    const onSocket = (socket: Socket): void => {
      if (connections.size >= connectionsMax) return void socket.destroy();
      const connection: Connection = { socket };
      connections.add(connection);
      socket.once("close", () => connections.delete(connection));
      socket.on("error", () => {});
      const origin = { transport, isLocal, ...addressOf(socket) };
      if (handshakes.tls === undefined && handshakes.webSocket === undefined) {
        connection.stream = socket;
        onConnection({ stream: socket, origin });
      } else void shakeHands(connection, handshakes, origin, clock, onConnection);
    };
    if (transport === "unix") {
      servers.push(await listenUnix(host, onSocket));
      bound.push({ transport, host, port: 0 });
    } else {
      const { server, port } = await listenTcp(spec, onSocket);
      servers.push(server);
      isLocal = isLoopback(boundTo(server)?.address ?? "");
      bound.push({ transport, host, port });
    }
  }
  const owned = stack.move();
  return {
    addresses: bound,
    get connections() {
      return connections.size;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Loads what the transport needs, and nothing for plain TCP. */
async function createHandshakes({ transport, tls }: ListenSpec): Promise<Handshakes> {
  const isSecure = transport === "tls" || transport === "wss";
  assert(!isSecure || tls !== undefined, "a listener with TLS has credentials");
  const handshakes: { tls?: TlsHandshake; webSocket?: WebSocketHandshake } = {};
  if (transport === "ws" || transport === "wss") {
    const { createWebSocketHandshake } = await import("./listen-websocket.ts");
    handshakes.webSocket = createWebSocketHandshake();
  }
  if (isSecure && tls !== undefined) {
    const { createTlsHandshake } = await import("./listen-tls.ts");
    handshakes.tls = createTlsHandshake(tls);
  }
  return handshakes;
}

/** IPv4 as such, also on a listener that speaks both. */
function addressOf({ remoteAddress }: Socket): { readonly remoteAddress?: string } {
  return remoteAddress === undefined ? {} : { remoteAddress: remoteAddress.replace(/^::ffff:(?=\d+\.)/i, "") };
}

/** Ends with the connection handed on or closed. */
async function shakeHands(
  connection: Connection,
  handshakes: Handshakes,
  origin: ConnectionOrigin,
  clock: Clock,
  onConnection: (accepted: Accepted) => void,
): Promise<void> {
  const { socket } = connection;
  const settled = new AbortController();
  clock.sleep(limits.connectPacketMs, settled.signal).then(
    () => socket.destroy(),
    () => {},
  );
  let accepted: Accepted;
  try {
    accepted = await throughHandshakes(socket, handshakes, origin);
  } catch {
    return void socket.destroy();
  } finally {
    settled.abort();
  }
  if (accepted.stream.destroyed) return void socket.destroy();
  connection.stream = accepted.stream;
  accepted.stream.on("error", () => {});
  onConnection(accepted);
}

async function throughHandshakes(
  socket: Socket,
  { tls, webSocket }: Handshakes,
  origin: ConnectionOrigin,
): Promise<Accepted> {
  const { socket: secured, certificateName } =
    tls === undefined ? { socket, certificateName: undefined } : await tls.secure(socket);
  secured.on("error", () => {});
  const known = { ...origin, ...(certificateName !== undefined && { certificateName }) };
  if (webSocket === undefined) return { stream: secured, origin: known };
  const { stream, isForeignPage } = await webSocket.upgrade(secured);
  return { stream, origin: { ...known, isLocal: known.isLocal && !isForeignPage } };
}

async function stop(servers: readonly Server[], connections: ReadonlySet<Connection>, clock: Clock): Promise<void> {
  const closed = servers.map((server) => new Promise<void>((resolve) => void server.close(() => resolve())));
  await closeConnections(connections, clock);
  await Promise.all(closed);
}

/** Lets written bytes leave for a moment, then closes what is still open. */
async function closeConnections(connections: ReadonlySet<Connection>, clock: Clock): Promise<void> {
  if (connections.size === 0) return;
  const open = [...connections];
  const flushed = new AbortController();
  const allClosed = Promise.all(
    open.map(({ socket }) => new Promise<void>((resolve) => void socket.once("close", () => resolve()))),
  );
  for (const { socket, stream } of open) {
    if (stream === undefined) socket.destroy();
    else if (stream instanceof Socket) stream.destroySoon();
    else stream.end();
  }
  const timeUp = clock.sleep(flushMs, flushed.signal).catch(() => {});
  await Promise.race([allClosed, timeUp]);
  flushed.abort();
  for (const { socket, stream } of open) {
    stream?.destroy();
    socket.destroy();
  }
  await allClosed;
}
