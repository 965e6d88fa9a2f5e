// The session machine, as a value: which server to dial, what to say, when to give up, and what becomes of every operation.
//
//   waiting --tick--> connecting --opened--> greeting --greeted--> running --close--> ended
//      ^                  |                     |                     |
//      +------------------+---------------------+---------------------+   closed, silent, too slow, not the protocol
//
// It knows no socket, clock or chance: time and jitter are handed in. What a server does never makes it throw.
import { limits } from "#shared/limits.ts";
import { emptyFifo, firstOf, pushed, shifted, valuesOf } from "./fifo.ts";
import { JuteError } from "./jute.ts";
import {
  encodeAuth,
  encodeConnect,
  encodePing,
  encodeRequest,
  encodeSetWatches,
  opcodes,
  requestBytes,
} from "./protocol.ts";
import { isReading, readGreeting, readReply } from "./session-replies.ts";
import {
  connectMs,
  isAbandoned,
  pingMs,
  silenceMs,
  validUntilMs,
  type Operation,
  type RunningLink,
  type SessionEffect,
  type SessionEvent,
  type SessionState,
} from "./session-state.ts";
import { change, fail, type Turn } from "./session-turn.ts";
import { isOneShot, watchedPaths, withoutOneShots, withoutWatch, type WatchKind } from "./watch-table.ts";

const xidMax = 0x7fffffff;
const nothing = new Uint8Array(0);

/** `nowMs` is monotonic; `jitter` is in [0, 1). */
export function stepSession(
  state: SessionState,
  event: SessionEvent,
  nowMs: number,
  jitter: number,
): readonly [SessionState, readonly SessionEffect[]] {
  const turn: Turn = { state, effects: [], nowMs, jitter };
  // Before anything else is believed: a process that stood still learns here that its time is over.
  presumeLost(turn);
  switch (event.type) {
    case "tick":
      break;
    case "opened":
      greet(turn);
      break;
    case "closed":
      if (turn.state.link.at !== "waiting") loseLink(turn, event.reason);
      break;
    case "frames":
      updateLink(turn, { heardAtMs: nowMs });
      for (const frame of event.frames) hear(turn, frame);
      break;
    case "submit":
      submit(turn, event.operation);
      break;
    case "authenticate":
      turn.state = { ...turn.state, credentials: [...turn.state.credentials, event.credentials] };
      if (turn.state.link.at === "running") send(turn, encodeAuth(event.credentials));
      break;
    case "unwatch":
      turn.state = { ...turn.state, watches: withoutWatch(turn.state.watches, event.watch) };
      break;
    case "close":
      close(turn);
      break;
  }
  // And after it: a greeting may have taken longer than the session that it confirms.
  presumeLost(turn);
  actOnTime(turn);
  return [turn.state, turn.effects];
}

function presumeLost(turn: Turn): void {
  const { state, nowMs } = turn;
  const untilMs = validUntilMs(state);
  if (untilMs === undefined || state.presumedLost || nowMs < untilMs) return;
  turn.state = { ...state, presumedLost: true };
  change(turn, { type: "presumed-lost" });
  failQueued(turn, "session-expired", "no server has confirmed the session in time");
  if (turn.state.link.at === "running") loseLink(turn, "no server has confirmed the session in time");
}

function actOnTime(turn: Turn): void {
  const { nowMs } = turn;
  for (let next = firstOf(turn.state.queued); next !== undefined; next = firstOf(turn.state.queued)) {
    if (nowMs < next.deadlineMs) break;
    turn.state = { ...turn.state, queued: shifted(turn.state.queued) };
    fail(turn, next.operation, "not-sent", false, `no server took it in time (the last one: ${turn.state.fault})`);
  }
  if (isAbandoned(turn.state, nowMs)) expire(turn);
  const { link } = turn.state;
  switch (link.at) {
    case "waiting":
      if (nowMs >= link.retryAtMs) dial(turn);
      return;
    case "connecting":
    case "greeting":
      if (nowMs >= link.deadlineMs) loseLink(turn, "no answer in time");
      return;
    case "running":
      watchOver(turn, link);
      return;
    case "ended":
  }
}

function watchOver(turn: Turn, link: RunningLink): void {
  const { state, nowMs } = turn;
  const oldest = firstOf(link.sent);
  if (link.closing !== undefined && nowMs >= link.closing.deadlineMs) end(turn, "closed");
  else if (nowMs >= link.heardAtMs + silenceMs(state)) loseLink(turn, "the server is silent");
  else if (oldest !== undefined && nowMs >= oldest.sentAtMs + state.settings.operationMs) {
    loseLink(turn, "the server does not answer an operation");
  } else if (link.pingSentAtMs === undefined && nowMs >= link.saidAtMs + pingMs(state)) {
    send(turn, encodePing());
    updateLink(turn, { pingSentAtMs: nowMs });
  }
}

function dial(turn: Turn): void {
  const { state, nowMs } = turn;
  turn.state = { ...state, link: { at: "connecting", deadlineMs: nowMs + connectMs(state) } };
  turn.effects.push({ type: "dial", server: state.server });
}

function greet(turn: Turn): void {
  const { state, nowMs } = turn;
  if (state.link.at !== "connecting") return;
  const { deadlineMs } = state.link;
  turn.state = { ...state, link: { at: "greeting", deadlineMs, sentAtMs: nowMs } };
  const bytes = encodeConnect(state.identity, state.lastZxid, state.settings.timeoutMs);
  turn.effects.push({ type: "send", bytes });
}

function hear(turn: Turn, frame: Uint8Array): void {
  try {
    if (turn.state.link.at === "greeting") hearGreeting(turn, frame);
    else if (isReading(turn.state.link)) {
      const verdict = readReply(turn, turn.state.link, frame);
      if (verdict === "closed" || verdict === "auth-failed") end(turn, verdict);
    }
  } catch (error) {
    if (!(error instanceof JuteError)) throw error;
    loseLink(turn, error.message);
  }
}

function hearGreeting(turn: Turn, frame: Uint8Array): void {
  const { state, nowMs } = turn;
  if (state.link.at !== "greeting") return;
  const { sentAtMs } = state.link;
  const greeting = readGreeting(frame);
  if (greeting === "expired" && state.identity === undefined)
    throw new JuteError("a new session is refused as expired");
  if (greeting === "expired") {
    turn.effects.push({ type: "hang-up" });
    turn.state = { ...state, link: { at: "waiting", retryAtMs: nowMs + limits.coordinationNextServerMs } };
    expire(turn);
    return;
  }
  const isNew = state.identity === undefined;
  turn.state = {
    ...state,
    identity: greeting.identity,
    timeoutMs: greeting.timeoutMs,
    provenAtMs: sentAtMs,
    presumedLost: false,
    turnedAway: 0,
    queued: emptyFifo,
    link: {
      at: "running",
      sinceMs: nowMs,
      heardAtMs: nowMs,
      saidAtMs: nowMs,
      pingSentAtMs: undefined,
      nextXid: 1,
      sent: emptyFifo,
      watchRequests: 0,
      closing: undefined,
    },
  };
  // Credentials first, then watches, then what has waited: an answer to the last one finds the watches set.
  for (const credentials of state.credentials) send(turn, encodeAuth(credentials));
  const requests = encodeSetWatches(state.lastZxid, watchedPaths(state.watches));
  for (const bytes of requests) send(turn, bytes);
  updateLink(turn, { watchRequests: requests.length });
  change(turn, { type: "connected", sessionId: greeting.identity.id, timeoutMs: greeting.timeoutMs, isNew });
  for (const { operation } of valuesOf(state.queued)) sendOperation(turn, operation);
}

/** The verdict of the servers, or of our own patience. The next greeting asks for a new session. */
function expire(turn: Turn): void {
  const [watches, spent] = withoutOneShots(turn.state.watches);
  const { timeoutMs } = turn.state.settings;
  turn.state = {
    ...turn.state,
    identity: undefined,
    timeoutMs,
    presumedLost: false,
    lastZxid: 0n,
    turnedAway: 0,
    watches,
  };
  change(turn, { type: "expired" });
  failQueued(turn, "session-expired", "the session has expired");
  for (const { watches: told, path } of spent) {
    turn.effects.push({ type: "notify", watches: told, event: { type: "lost", path } });
  }
}

function submit(turn: Turn, operation: Operation): void {
  const { state, nowMs } = turn;
  const { link } = state;
  if (link.at === "ended") return fail(turn, operation, link.reason, false, "the session has ended");
  if (link.at === "running" && link.closing !== undefined) {
    return fail(turn, operation, "closed", false, "the session is being closed");
  }
  const refusal = tooLarge(operation) ?? mixedWatch(state, operation);
  if (refusal !== undefined) return fail(turn, operation, "invalid", false, refusal);
  const waiting = state.queued.length + (link.at === "running" ? link.sent.length : 0);
  if (waiting >= limits.coordinationOperations) {
    return fail(turn, operation, "busy", false, `${limits.coordinationOperations} operations wait already`);
  }
  if (operation.watch !== undefined && state.watches.count >= limits.coordinationWatches) {
    return fail(turn, operation, "busy", false, `the session has ${limits.coordinationWatches} watches already`);
  }
  if (link.at === "running") return sendOperation(turn, operation);
  const deadlineMs = nowMs + state.settings.operationMs;
  turn.state = { ...state, queued: pushed(state.queued, { operation, deadlineMs }) };
}

function tooLarge({ request }: Operation): string | undefined {
  const bytes = requestBytes(request.record);
  if (bytes <= limits.coordinationRequestBytes) return undefined;
  return `a request of ${bytes} bytes, and servers take ${limits.coordinationRequestBytes} (their jute.maxbuffer)`;
}

/** In ZooKeeper 3.8 a watch of one kind takes the place of a lasting one of another kind on the same path, silently (ZOOKEEPER-4466). */
function mixedWatch({ watches }: SessionState, { watch }: Operation): string | undefined {
  if (watch === undefined) return undefined;
  const kinds: readonly WatchKind[] = ["data", "exist", "child", "persistent", "recursive"];
  const other = kinds.find((kind) => {
    const clash = kind !== watch.kind && !(isOneShot(kind) && isOneShot(watch.kind));
    return clash && watches.entries.has(`${kind}:${watch.path}`);
  });
  if (other === undefined) return undefined;
  return `the path has a ${other} watch, and some servers would drop one of the two: watch it one way`;
}

function sendOperation(turn: Turn, operation: Operation): void {
  const { link } = turn.state;
  if (link.at !== "running") return;
  const xid = link.nextXid;
  const nextXid = xid === xidMax ? 1 : xid + 1;
  send(turn, encodeRequest(xid, operation.request.opcode, operation.request.record));
  updateLink(turn, { nextXid, sent: pushed(link.sent, { operation, xid, sentAtMs: turn.nowMs }) });
}

function close(turn: Turn): void {
  const { state, nowMs } = turn;
  const { link } = state;
  if (link.at === "ended") return;
  if (link.at !== "running") return end(turn, "closed");
  if (link.closing !== undefined) return;
  send(turn, encodeRequest(link.nextXid, opcodes.close, nothing));
  const deadlineMs = nowMs + limits.coordinationCloseMs;
  updateLink(turn, { nextXid: link.nextXid + 1, closing: { xid: link.nextXid, deadlineMs } });
}

/** Final. */
function end(turn: Turn, reason: "closed" | "auth-failed"): void {
  const { link } = turn.state;
  if (link.at === "ended") return;
  turn.effects.push({ type: "hang-up" });
  turn.state = { ...turn.state, link: { at: "ended", reason } };
  change(turn, { type: "ended", reason });
  const detail = reason === "closed" ? "the session was closed" : "the servers refuse the credentials of this session";
  if (link.at === "running") {
    for (const { operation } of valuesOf(link.sent)) fail(turn, operation, reason, true, detail);
  }
  failQueued(turn, reason, detail);
}

/** Away from the server that has been of no use, to the next one. */
function loseLink(turn: Turn, reason: string): void {
  const { state, nowMs, jitter } = turn;
  const { link, settings } = state;
  if (link.at === "ended") return;
  if (link.at === "running" && link.closing !== undefined) return end(turn, "closed");
  const wasStable = link.at === "running" && nowMs - link.sinceMs >= limits.coordinationStableMs;
  const tries = wasStable ? 0 : state.tries + 1;
  turn.effects.push({ type: "hang-up" });
  turn.state = {
    ...state,
    link: { at: "waiting", retryAtMs: nowMs + waitMs(tries, settings.servers, jitter) },
    server: (state.server + 1) % settings.servers,
    tries,
    fault: reason,
    turnedAway: state.turnedAway + (link.at === "greeting" ? 1 : 0),
  };
  if (link.at !== "running") return;
  change(turn, { type: "suspended", reason });
  const detail = `the connection was lost (${reason})`;
  for (const { operation } of valuesOf(link.sent)) fail(turn, operation, "connection-lost", true, detail);
}

/** The first round over the list goes on at once; later ones wait longer and longer, and never all clients together. */
function waitMs(tries: number, servers: number, jitter: number): number {
  const round = Math.floor(tries / servers);
  if (round === 0) return limits.coordinationNextServerMs;
  const { coordinationBackoffMsMin: min, coordinationBackoffMsMax: max } = limits;
  return Math.min(max, min * 2 ** Math.min(round - 1, 10)) * (0.5 + jitter / 2);
}

function failQueued(turn: Turn, reason: "session-expired" | "closed" | "auth-failed", detail: string): void {
  const { queued } = turn.state;
  turn.state = { ...turn.state, queued: emptyFifo };
  for (const { operation } of valuesOf(queued)) fail(turn, operation, reason, false, detail);
}

function send(turn: Turn, bytes: Uint8Array): void {
  turn.effects.push({ type: "send", bytes });
  updateLink(turn, { saidAtMs: turn.nowMs });
}

function updateLink(turn: Turn, part: Partial<RunningLink>): void {
  const { link } = turn.state;
  if (link.at === "running") turn.state = { ...turn.state, link: { ...link, ...part } };
}
