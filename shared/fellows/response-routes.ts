// Responses leave by the way the request came in [U33]: a request remembers its adapter and who asked there, until it is answered once,
// its time is up, or whoever asked is gone. Bounded: beyond `limits.openRequests` a request is refused.
import { limits } from "../limits.ts";

export type Adapter = "mqtt" | "rest" | "command-line" | "service";

/** Where the answer goes. */
export interface Asker {
  readonly adapter: Adapter;
  /** Of the connection within its adapter, such as a client identifier. */
  readonly connection: string;
}

interface OpenRequest<Origin extends Asker> {
  readonly origin: Origin;
  readonly deadlineMs: number;
}

/** By the key under which the request is worked on. */
export type ResponseRoutes<Origin extends Asker> = ReadonlyMap<string, OpenRequest<Origin>>;

export type ResponseEvent<Origin extends Asker, Answer> =
  /** `origin`: what its adapter needs to answer. */
  | { readonly type: "asked"; readonly key: string; readonly origin: Origin; readonly ttlMs?: number }
  | { readonly type: "answered"; readonly key: string; readonly answer: Answer }
  | ({ readonly type: "gone" } & Asker)
  | { readonly type: "tick" };

export type ResponseEffect<Origin extends Asker, Answer> =
  | { readonly type: "respond"; readonly origin: Origin; readonly answer: Answer }
  /** The adapter says so in its own words. */
  | { readonly type: "refuse"; readonly origin: Origin; readonly reason: "full" | "key-in-use" | "timeout" }
  /** To be counted. `unasked`: answered already, or too late, or never asked. */
  | { readonly type: "drop"; readonly key: string; readonly reason: "unasked" | "gone" };

/** `nowMs` never steps back. */
export function stepResponses<Origin extends Asker, Answer>(
  routes: ResponseRoutes<Origin>,
  event: ResponseEvent<Origin, Answer>,
  nowMs: number,
): readonly [ResponseRoutes<Origin>, readonly ResponseEffect<Origin, Answer>[]] {
  switch (event.type) {
    case "asked": {
      const { key, origin, ttlMs = limits.requestMs } = event;
      if (routes.has(key)) return [routes, [{ type: "refuse", origin, reason: "key-in-use" }]];
      if (routes.size >= limits.openRequests) return [routes, [{ type: "refuse", origin, reason: "full" }]];
      return [new Map(routes).set(key, { origin, deadlineMs: nowMs + ttlMs }), []];
    }
    case "answered": {
      const { key, answer } = event;
      const request = routes.get(key);
      if (request === undefined) return [routes, [{ type: "drop", key, reason: "unasked" }]];
      return [without(routes, [key]), [{ type: "respond", origin: request.origin, answer }]];
    }
    case "gone": {
      const keys = keysOf(
        routes,
        ({ origin }) => origin.adapter === event.adapter && origin.connection === event.connection,
      );
      return [without(routes, keys), keys.map((key) => ({ type: "drop", key, reason: "gone" }))];
    }
    case "tick": {
      const keys = keysOf(routes, ({ deadlineMs }) => nowMs >= deadlineMs);
      const origins = keys.flatMap((key) => routes.get(key)?.origin ?? []);
      return [without(routes, keys), origins.map((origin) => ({ type: "refuse", origin, reason: "timeout" }))];
    }
  }
}

/** When a tick is due, `Infinity` for never. */
export function nextResponseTickMs<Origin extends Asker>(routes: ResponseRoutes<Origin>): number {
  let due = Number.POSITIVE_INFINITY;
  for (const { deadlineMs } of routes.values()) due = Math.min(due, deadlineMs);
  return due;
}

function keysOf<Origin extends Asker>(
  routes: ResponseRoutes<Origin>,
  matches: (request: OpenRequest<Origin>) => boolean,
): readonly string[] {
  return [...routes].filter(([, request]) => matches(request)).map(([key]) => key);
}

function without<Origin extends Asker>(
  routes: ResponseRoutes<Origin>,
  keys: readonly string[],
): ResponseRoutes<Origin> {
  if (keys.length === 0) return routes;
  const next = new Map(routes);
  for (const key of keys) next.delete(key);
  return next;
}
