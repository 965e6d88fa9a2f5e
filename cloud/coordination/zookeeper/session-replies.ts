// What a server says, taken into the session: greeting, answers, notifications. Answers come in the order of the requests.
import { firstOf, shifted } from "./fifo.ts";
import { JuteError, JuteReader } from "./jute.ts";
import {
  decodeGreeting,
  readNotification,
  readReplyHeader,
  xids,
  type Greeting,
  type ReplyHeader,
} from "./protocol.ts";
import type { Link, Operation, RunningLink } from "./session-state.ts";
import { fail, type Turn } from "./session-turn.ts";
import { fired, lastingEntries, withWatch, type WatchKind } from "./watch-table.ts";
import { refused, type Attempt } from "./zookeeper-error.ts";

const noNode = -101;
const authFailed = -115;
const sessionExpired = -112;

export function isReading(link: Link): link is RunningLink {
  return link.at === "running";
}

/** Throws a JuteError. */
export function readGreeting(frame: Uint8Array): Greeting | "expired" {
  const greeting = decodeGreeting(frame);
  return greeting.timeoutMs <= 0 ? "expired" : greeting;
}

/** What the frame means for the connection. Throws a JuteError when it cannot be in its place: the connection is of no use then. */
export function readReply(turn: Turn, link: RunningLink, frame: Uint8Array): "go-on" | "closed" | "auth-failed" {
  const reader = new JuteReader(frame);
  const header = readReplyHeader(reader);
  const { state } = turn;
  const lastZxid = header.zxid > state.lastZxid ? header.zxid : state.lastZxid;
  turn.state = { ...state, lastZxid };
  switch (header.xid) {
    case xids.notification:
      notify(turn, reader);
      return "go-on";
    case xids.ping:
      if (link.pingSentAtMs === undefined) return "go-on";
      prove(turn, { ...link, pingSentAtMs: undefined }, link.pingSentAtMs);
      return "go-on";
    case xids.auth:
      return header.error === 0 ? "go-on" : "auth-failed";
    case xids.setWatches:
      settleWatches(turn, link, header);
      return "go-on";
    default:
      return settle(turn, link, header, reader);
  }
}

function notify(turn: Turn, reader: JuteReader): void {
  const event = readNotification(reader);
  if (event === undefined) return;
  const [watches, told] = fired(turn.state.watches, event.type, event.path);
  turn.state = { ...turn.state, watches };
  if (told.length > 0) turn.effects.push({ type: "notify", watches: told, event });
}

/** A server does not tell what lasting watches have missed: they are told to read again. */
function settleWatches(turn: Turn, link: RunningLink, { error }: ReplyHeader): void {
  if (error !== 0) throw new JuteError(`the watches are refused (${error})`);
  const watchRequests = link.watchRequests - 1;
  if (watchRequests < 0) throw new JuteError("an answer about watches that nobody has asked for");
  turn.state = { ...turn.state, link: { ...link, watchRequests } };
  if (watchRequests > 0) return;
  for (const { watches, path } of lastingEntries(turn.state.watches)) {
    turn.effects.push({ type: "notify", watches, event: { type: "resync", path } });
  }
}

function settle(turn: Turn, link: RunningLink, header: ReplyHeader, reader: JuteReader): "go-on" | "closed" {
  const next = firstOf(link.sent);
  if (next === undefined && link.closing?.xid === header.xid) return "closed";
  if (next?.xid !== header.xid) {
    throw new JuteError(`an answer to request ${header.xid} where ${next?.xid ?? "none"} is next`);
  }
  const { operation, sentAtMs } = next;
  const { attempt, request } = operation;
  // Read first: what cannot be read leaves the operation among those whose outcome is unknown.
  const isAbsent = header.error === noNode && request.absent !== undefined;
  const result = isAbsent ? request.absent?.result : header.error === 0 ? request.read(reader) : undefined;
  prove(turn, { ...link, sent: shifted(link.sent) }, sentAtMs);
  if (header.error === 0 || isAbsent) {
    setWatch(turn, operation, isAbsent);
    turn.effects.push({ type: "succeed", operation: operation.id, result });
  } else settleRefused(turn, operation, attempt, header.error);
  return "go-on";
}

function settleRefused(turn: Turn, operation: Operation, attempt: Attempt, error: number): void {
  if (error === sessionExpired) fail(turn, operation, "session-expired", false, "the session has expired");
  else if (error === authFailed) fail(turn, operation, "auth-failed", false, "the servers refuse the credentials");
  else turn.effects.push({ type: "fail", operation: operation.id, error: refused(attempt, error) });
}

/** Only when the server has it. */
function setWatch(turn: Turn, { watch }: Operation, isAbsent: boolean): void {
  if (watch === undefined) return;
  const kind: WatchKind = watch.kind === "exist" && !isAbsent ? "data" : watch.kind;
  turn.state = { ...turn.state, watches: withWatch(turn.state.watches, kind, watch.path, watch.id) };
}

function prove(turn: Turn, link: RunningLink, sentAtMs: number): void {
  turn.state = { ...turn.state, link, provenAtMs: Math.max(turn.state.provenAtMs, sentAtMs) };
}
