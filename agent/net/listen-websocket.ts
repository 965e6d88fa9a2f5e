// MQTT over WebSocket on accepted sockets (MQTT 5, section 6): the path /mqtt, the subprotocol mqtt, binary frames.
import { createServer, type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { createWebSocketStream, type WebSocket, WebSocketServer } from "ws";
import { limits } from "#shared/limits.ts";
import { isLoopback } from "./loopback.ts";

export interface Upgraded {
  readonly stream: Duplex;
  /** It is a web page of another machine that dials, from a browser here perhaps. */
  readonly isForeignPage: boolean;
}

export interface WebSocketHandshake {
  /** Rejects when the peer leaves before the upgrade, which it is made to after an HTTP error; it has no time limit of its own. */
  upgrade(socket: Duplex): Promise<Upgraded>;
}

const path = "/mqtt";
const subprotocol = "mqtt";
/** Room for what frames of other implementations carry beyond one packet. */
const frameSlackBytes = 8;
const headerBytes = 8 * 1024;
const unsupportedData = 1003;

export function createWebSocketHandshake(): WebSocketHandshake {
  const waiting = new WeakMap<Duplex, (upgraded: Upgraded) => void>();
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.packetBytes + frameSlackBytes,
    handleProtocols: () => subprotocol, // [MQTT-6.0.0-4]
  });
  const server = createServer({ maxHeaderSize: headerBytes }, (_request, response) => {
    response.writeHead(426, { Connection: "close", Upgrade: "websocket", "Content-Type": "text/plain" });
    response.end(`this is an MQTT listener: connect by WebSocket to ${path} with the subprotocol ${subprotocol}\n`);
  });
  server.on("upgrade", (request, socket, head) => {
    const fault = faultOf(request);
    if (fault !== undefined) return refuse(socket, ...fault);
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const stream = streamOf(webSocket);
      waiting.get(socket)?.({ stream, isForeignPage: isForeignPage(request.headers.origin) });
    });
  });
  server.on("clientError", (_error, socket) => {
    if (!socket.destroyed) refuse(socket, 400, "this is no HTTP request that can be read");
  });
  return {
    async upgrade(socket) {
      const { promise, resolve, reject } = Promise.withResolvers<Upgraded>();
      const onClose = (): void => reject(new Error("the WebSocket handshake was not finished"));
      socket.once("close", onClose);
      waiting.set(socket, resolve);
      server.emit("connection", socket);
      try {
        return await promise;
      } finally {
        waiting.delete(socket);
        socket.off("close", onClose);
      }
    },
  };
}

function faultOf({ url = "", headers }: IncomingMessage): readonly [status: number, text: string] | undefined {
  if (url.replace(/\?.*/s, "") !== path) return [404, `MQTT is at ${path}`];
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  // [MQTT-6.0.0-3]
  return offered.includes(subprotocol) ? undefined : [400, `ask for the WebSocket subprotocol ${subprotocol}`];
}

function refuse(socket: Duplex, status: number, text: string): void {
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: text/plain`;
  socket.on("error", () => {});
  socket.end(`${head}\r\nContent-Length: ${text.length + 1}\r\n\r\n${text}\n`, () => socket.destroy());
}

/** Browsers name the page that dials, and let any page dial anywhere: only pages of this machine count as programs of it. */
function isForeignPage(origin: string | undefined): boolean {
  if (origin === undefined) return false;
  const host = URL.parse(origin)?.hostname.replace(/^\[(.*)\]$/, "$1");
  return host === undefined || !isLoopback(host);
}

/** The bytes of its binary frames; a text frame closes the connection [MQTT-6.0.0-1]. */
function streamOf(webSocket: WebSocket): Duplex {
  const stream = createWebSocketStream(webSocket);
  // The stream's own listener takes text for bytes: it stands behind this one.
  const forward = webSocket.listeners("message");
  webSocket.removeAllListeners("message");
  webSocket.on("message", (data, isBinary) => {
    if (stream.destroyed) return;
    if (isBinary) for (const listener of forward) listener.call(webSocket, data, isBinary);
    else {
      webSocket.close(unsupportedData, "MQTT needs binary frames");
      stream.destroy(new Error("a text frame came where MQTT needs binary ones"));
    }
  });
  return stream;
}
