// A small read-only HTTP server: routes by path, GET and HEAD only, every bound stated.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { FogbankError } from "#shared/errors.ts";
import type { Logger } from "#shared/system/logger.ts";

export interface HttpAddress {
  readonly host: string;
  readonly port: number;
}

export interface Reply {
  readonly status: number;
  readonly contentType:
    | "application/json"
    | "application/x-ndjson"
    | "text/plain; charset=utf-8"
    | "text/plain; version=0.0.4; charset=utf-8";
  readonly body: string;
}

/** Answers a request for one path. A FogbankError becomes status 400 with its code and message. */
export type Route = (query: URLSearchParams) => Promise<Reply>;

export interface HttpServer extends AsyncDisposable {
  readonly addresses: readonly HttpAddress[];
}

const connectionsMax = 256;
const requestTimeoutMs = 10_000;

/** Listens on every address; rejects with FOGBANK_LISTEN_FAILED and leaves nothing open. */
export async function startHttpServer(
  deps: { readonly log: Logger },
  listen: readonly HttpAddress[],
  routes: Readonly<Record<string, Route>>,
): Promise<HttpServer> {
  await using stack = new AsyncDisposableStack();
  const addresses: HttpAddress[] = [];
  for (const address of listen) {
    const server = createServer(
      { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs },
      (request, response) => {
        void answer(deps.log, routes, request, response);
      },
    );
    server.maxConnections = connectionsMax;
    server.on("clientError", (_error, socket) => socket.destroy());
    addresses.push(await listening(server, address));
    stack.defer(() => closed(server));
  }
  const owned = stack.move();
  return { addresses, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

export function json(value: unknown, status = 200): Reply {
  return { status, contentType: "application/json", body: `${JSON.stringify(value)}\n` };
}

async function answer(
  log: Logger,
  routes: Readonly<Record<string, Route>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const reply = await replyTo(log, routes, request);
  response.writeHead(reply.status, {
    "content-type": reply.contentType,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(request.method === "HEAD" ? undefined : reply.body);
}

async function replyTo(log: Logger, routes: Readonly<Record<string, Route>>, request: IncomingMessage): Promise<Reply> {
  if (request.method !== "GET" && request.method !== "HEAD")
    return json({ error: "only GET and HEAD are served" }, 405);
  let url: URL;
  try {
    url = new URL(request.url ?? "/", "http://node");
  } catch {
    return json({ error: "the request's path cannot be read" }, 400);
  }
  const route = Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined;
  if (route === undefined) return json({ error: `there is nothing at ${url.pathname}`, try: Object.keys(routes) }, 404);
  try {
    return await route(url.searchParams);
  } catch (error) {
    if (error instanceof FogbankError) {
      const status = error.code === "FOGBANK_HTTP_REQUEST" ? 400 : 503;
      return json({ error: error.message, code: error.code }, status);
    }
    log.error({ path: url.pathname, error: String(error) }, "request failed");
    return json({ error: "the request failed; the node's log says why" }, 500);
  }
}

async function listening(server: Server, { host, port }: HttpAddress): Promise<HttpAddress> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, host, () => resolve());
  try {
    await promise;
  } catch (error) {
    throw new FogbankError(
      "FOGBANK_LISTEN_FAILED",
      `could not listen for HTTP on ${host}:${port}: ${reasonOf(error)}. Choose another address with listen.http, or stop what uses it`,
      { cause: error },
    );
  } finally {
    server.off("error", reject);
  }
  const bound = server.address();
  return { host, port: typeof bound === "object" && bound !== null ? bound.port : port };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && error.code === "EADDRINUSE" ? "the port is in use" : error.message;
}

async function closed(server: Server): Promise<void> {
  const done = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await done;
}
