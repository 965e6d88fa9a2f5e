// Messages to fellows at their sender [U30]. Only the application's acknowledgement ends one: that of the broker says nothing about the
// other server [U-T10].
//
//   hostname path --no acknowledgement in time--> UUID path --again each time--> until its life is over
//
// The same message under the same number goes both ways; the addressee takes it once. Without a route, because the fellow is away,
// it waits; when the fellow is there again it begins with the hostname. What stands here is in memory: whoever must not lose a message
// keeps it, and sends it again, as a new one, when its server starts anew.
import { limits } from "../limits.ts";
import type { PathKind } from "./cluster-topics.ts";
import type { FellowAck, FellowMessage } from "./fellow-frames.ts";
import type { FellowId } from "./fellow-names.ts";
import { topicOf, type Route, type Routes } from "./membership.ts";

interface Open {
  readonly key: string;
  readonly message: Omit<FellowMessage, "floor">;
  /** When it is sent again; `Infinity` while its addressee is away. */
  readonly dueMs: number;
  readonly expiresAtMs: number;
}

interface Line {
  readonly next: number;
  /** By number, in order. */
  readonly open: ReadonlyMap<number, Open>;
}

export interface Outbox {
  readonly self: FellowId;
  readonly life: number;
  readonly routes: Routes;
  readonly lines: ReadonlyMap<FellowId, Line>;
  /** The greatest number of any line that there was: a line that begins anew begins above it. */
  readonly highest: number;
  /** Of all messages. */
  readonly openBytes: number;
}

export type OutboxEvent =
  | {
      readonly type: "send";
      /** By which its outcome is told. */
      readonly key: string;
      readonly to: FellowId;
      readonly subject: string;
      readonly body: Uint8Array;
      readonly answers?: FellowMessage["answers"];
      readonly ttlMs?: number;
    }
  /** `peer`: whose connection it came on. */
  | { readonly type: "acknowledged"; readonly peer: FellowId; readonly ack: FellowAck }
  | { readonly type: "routes"; readonly routes: Routes }
  | { readonly type: "tick" };

/** `not-acknowledged`: whether it was taken is not known. `outlived`: the addressee knows a later life of this server. */
export type Undelivered = "not-acknowledged" | "absent" | "full" | "too-large" | "outlived";

export type OutboxEffect =
  | { readonly type: "publish"; readonly topic: string; readonly qos: 2; readonly message: FellowMessage }
  | { readonly type: "delivered"; readonly key: string }
  | { readonly type: "failed"; readonly key: string; readonly reason: Undelivered };

/** `life`: greater than at every start before. */
export function newOutbox(self: FellowId, life: number): Outbox {
  return { self, life, routes: new Map(), lines: new Map(), highest: 0, openBytes: 0 };
}

/** `nowMs` never steps back. */
export function stepOutbox(
  state: Outbox,
  event: OutboxEvent,
  nowMs: number,
): readonly [Outbox, readonly OutboxEffect[]] {
  switch (event.type) {
    case "send":
      return send(state, event, nowMs);
    case "acknowledged":
      return acknowledge(state, event);
    case "routes":
      return reroute(state, event.routes, nowMs);
    case "tick":
      return tick(state, nowMs);
  }
}

/** When a tick is due, `Infinity` for never. */
export function nextOutboxTickMs({ lines }: Outbox): number {
  let due = Number.POSITIVE_INFINITY;
  for (const { open } of lines.values())
    for (const { dueMs, expiresAtMs } of open.values()) due = Math.min(due, dueMs, expiresAtMs);
  return due;
}

function send(
  state: Outbox,
  { key, to, subject, body, answers, ttlMs = limits.fellowTtlMs }: OutboxEvent & { readonly type: "send" },
  nowMs: number,
): readonly [Outbox, readonly OutboxEffect[]] {
  const line = state.lines.get(to) ?? { next: state.highest + 1, open: new Map() };
  const refuse = (reason: Undelivered) => [state, [{ type: "failed", key, reason }]] as const;
  if (body.length > limits.fellowMessageBytes) return refuse("too-large");
  // What the addressee has to remember reaches from the floor to the newest.
  if (line.next - floorOf(line) >= limits.fellowWindow) return refuse("full");
  if (state.openBytes + bytesOf({ body }) > limits.fellowOpenBytes) return refuse("full");
  const number = line.next;
  const message = { from: state.self, to, life: state.life, number, subject, body, answers };
  const opened: Open = { key, message, dueMs: 0, expiresAtMs: nowMs + ttlMs };
  const effects: OutboxEffect[] = [];
  const sent = publish(opened, "hostname", state.routes.get(to), floorOf(line), nowMs, effects);
  const lines = new Map(state.lines).set(to, { next: number + 1, open: new Map(line.open).set(number, sent) });
  const highest = Math.max(state.highest, number);
  return [{ ...state, lines, highest, openBytes: state.openBytes + bytesOf({ body }) }, effects];
}

function acknowledge(
  state: Outbox,
  { peer, ack }: OutboxEvent & { readonly type: "acknowledged" },
): readonly [Outbox, readonly OutboxEffect[]] {
  const ended = state.lines.get(peer)?.open.get(ack.number);
  const isOurs = ack.from === state.self && ack.to === peer && ack.life === state.life;
  if (ended === undefined || !isOurs) return [state, []];
  const { key } = ended;
  const outcome: OutboxEffect =
    ack.newestLife === ack.life ? { type: "delivered", key } : { type: "failed", key, reason: "outlived" };
  return [close(state, peer, [ended]), [outcome]];
}

function reroute(state: Outbox, routes: Routes, nowMs: number): readonly [Outbox, readonly OutboxEffect[]] {
  const effects: OutboxEffect[] = [];
  const lines = new Map(state.lines);
  for (const [to, line] of state.lines) {
    const [was, is] = [state.routes.get(to), routes.get(to)];
    if (was?.hostname === is?.hostname && was?.uuid === is?.uuid) continue;
    const open = mapOpen(line, (one) => publish(one, "hostname", is, floorOf(line), nowMs, effects));
    lines.set(to, { ...line, open });
  }
  return [forgetIdle({ ...state, lines, routes }), effects];
}

function tick(state: Outbox, nowMs: number): readonly [Outbox, readonly OutboxEffect[]] {
  const effects: OutboxEffect[] = [];
  let next = state;
  for (const [to, line] of state.lines) {
    const route = state.routes.get(to);
    const expired = [...line.open.values()].filter(({ expiresAtMs }) => nowMs >= expiresAtMs);
    const reason = route === undefined ? "absent" : "not-acknowledged";
    effects.push(...expired.map(({ key }) => ({ type: "failed", key, reason }) as const));
    if (expired.length > 0) next = close(next, to, expired);
    const rest = next.lines.get(to);
    if (rest === undefined) continue;
    const open = mapOpen(rest, (one) =>
      nowMs < one.dueMs ? one : publish(one, "uuid", route, floorOf(rest), nowMs, effects),
    );
    next = { ...next, lines: new Map(next.lines).set(to, { ...rest, open }) };
  }
  return [forgetIdle(next), effects];
}

function publish(
  open: Open,
  path: PathKind,
  route: Route | undefined,
  floor: number,
  nowMs: number,
  effects: OutboxEffect[],
): Open {
  if (route === undefined) return { ...open, dueMs: Number.POSITIVE_INFINITY };
  effects.push({ type: "publish", topic: topicOf(route, path), qos: 2, message: { ...open.message, floor } });
  return { ...open, dueMs: nowMs + limits.fellowAckMs };
}

function close(state: Outbox, to: FellowId, ended: readonly Open[]): Outbox {
  const line = state.lines.get(to);
  if (line === undefined) return state;
  const open = new Map(line.open);
  for (const { message } of ended) open.delete(message.number);
  const bytes = ended.reduce((sum, { message }) => sum + bytesOf(message), 0);
  return { ...state, lines: new Map(state.lines).set(to, { ...line, open }), openBytes: state.openBytes - bytes };
}

/** A line to a fellow that is away and waits for nothing is given up. */
function forgetIdle(state: Outbox): Outbox {
  const lines = new Map([...state.lines].filter(([to, { open }]) => open.size > 0 || state.routes.has(to)));
  return lines.size === state.lines.size ? state : { ...state, lines };
}

/** Of a message in memory, about. */
function bytesOf({ body }: Pick<FellowMessage, "body">): number {
  return body.length + 256;
}

/** The lowest number that is open, or the next. */
function floorOf({ open, next }: Line): number {
  const [lowest] = open.keys();
  return lowest ?? next;
}

function mapOpen({ open }: Line, change: (one: Open) => Open): ReadonlyMap<number, Open> {
  return new Map([...open].map(([number, one]) => [number, change(one)]));
}
