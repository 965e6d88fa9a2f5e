// What a session with an ensemble knows, what can happen to it, and what it asks for. session.ts is the machine.
import { limits } from "#shared/limits.ts";
import { emptyFifo, firstOf, type Fifo } from "./fifo.ts";
import type { Credentials, NodeEventType, SessionIdentity } from "./protocol.ts";
import type { Request } from "./requests.ts";
import { noWatches, type WatchKind, type WatchTable } from "./watch-table.ts";
import type { Attempt, ZooKeeperError } from "./zookeeper-error.ts";

/** Milliseconds are those of one monotonic clock. */
export interface SessionSettings {
  /** How many servers there are: effects name them by their place in the list. */
  readonly servers: number;
  /** What the servers are asked for; they decide. */
  readonly timeoutMs: number;
  /** An operation that has waited so long for a connection fails; one that has been sent so long ends the connection. */
  readonly operationMs: number;
}

export interface Operation {
  /** By which effects name it. */
  readonly id: number;
  readonly attempt: Attempt;
  readonly request: Request<unknown>;
  /** To be set when the server has answered. `exist` is for `exists`, which sets `data` when the node is there. */
  readonly watch?: { readonly id: number; readonly kind: WatchKind; readonly path: string };
}

export interface QueuedOperation {
  readonly operation: Operation;
  readonly deadlineMs: number;
}

export interface SentOperation {
  readonly operation: Operation;
  readonly xid: number;
  readonly sentAtMs: number;
}

export interface RunningLink {
  readonly at: "running";
  readonly sinceMs: number;
  /** Last byte from the server, and last request to it. */
  readonly heardAtMs: number;
  readonly saidAtMs: number;
  /** When the ping was sent that is not answered yet. */
  readonly pingSentAtMs: number | undefined;
  readonly nextXid: number;
  /** In the order in which answers come. */
  readonly sent: Fifo<SentOperation>;
  /** Requests that name the watches again, and are not answered yet. */
  readonly watchRequests: number;
  /** The end of the session is on its way to the server. */
  readonly closing: { readonly xid: number; readonly deadlineMs: number } | undefined;
}

export type Link =
  | { readonly at: "waiting"; readonly retryAtMs: number }
  | { readonly at: "connecting"; readonly deadlineMs: number }
  | { readonly at: "greeting"; readonly deadlineMs: number; readonly sentAtMs: number }
  | RunningLink
  | { readonly at: "ended"; readonly reason: "closed" | "auth-failed" };

export interface SessionState {
  readonly settings: SessionSettings;
  readonly link: Link;
  /** Undefined before the first greeting, and after the session has expired. */
  readonly identity: SessionIdentity | undefined;
  /** As negotiated; as wanted before that. */
  readonly timeoutMs: number;
  /** When the last request was *sent* that a server has answered: the servers keep the session for `timeoutMs` from then, at least. */
  readonly provenAtMs: number;
  /** That time has passed without another proof. */
  readonly presumedLost: boolean;
  /** The latest change of the ensemble that this session has heard of. */
  readonly lastZxid: bigint;
  readonly credentials: readonly Credentials[];
  readonly watches: WatchTable;
  /** Waiting for a connection, in the order of their deadlines. */
  readonly queued: Fifo<QueuedOperation>;
  /** The server to try next, attempts since the last good connection, and what was wrong with the last one. */
  readonly server: number;
  readonly tries: number;
  readonly fault: string;
  /** Greetings since the last connection that a server ended without an answer. */
  readonly turnedAway: number;
}

export type SessionEvent =
  /** Time has come for what `nextDeadlineMs` answered; harmless at any other time. */
  | { readonly type: "tick" }
  | { readonly type: "opened" }
  | { readonly type: "closed"; readonly reason: string }
  /** Bytes have come: the frames that are whole with them, in order. */
  | { readonly type: "frames"; readonly frames: readonly Uint8Array[] }
  | { readonly type: "submit"; readonly operation: Operation }
  | { readonly type: "authenticate"; readonly credentials: Credentials }
  | { readonly type: "unwatch"; readonly watch: number }
  | { readonly type: "close" };

/**
 * What a watch tells: read again. `resync`: the session was away, or is another one; a lasting watch stands again, and what changed
 * meanwhile was not told. `lost`: the session is gone, and with it a watch that fires once.
 */
export interface WatchEvent {
  readonly type: NodeEventType | "resync" | "lost";
  /** Of the node that has changed; for `resync` and `lost` the one that was watched. */
  readonly path: string;
}

/**
 * connected -> suspended -> connected       the session lives on: ephemeral nodes and watches are as they were
 *                  |
 *                  +-> presumed-lost -> connected (the same session id)     the servers were slower to end it than they may be
 *                             |
 *                             +-------> expired -> connected (isNew)        ephemeral nodes are gone
 *
 * From `presumed-lost` on nothing that the session held may be relied on: leadership and leases end there, before a server gives them
 * to somebody else. `ended` is final.
 */
export type SessionChange =
  | { readonly type: "connected"; readonly sessionId: bigint; readonly timeoutMs: number; readonly isNew: boolean }
  | { readonly type: "suspended"; readonly reason: string }
  | { readonly type: "presumed-lost" }
  | { readonly type: "expired" }
  | { readonly type: "ended"; readonly reason: "closed" | "auth-failed" };

/** Performed in order: the end of a session is told before the operations fail that relied on it. */
export type SessionEffect =
  | { readonly type: "dial"; readonly server: number }
  /** Forget the socket: nothing that it still says is an event. */
  | { readonly type: "hang-up" }
  | { readonly type: "send"; readonly bytes: Uint8Array }
  | { readonly type: "succeed"; readonly operation: number; readonly result: unknown }
  | { readonly type: "fail"; readonly operation: number; readonly error: ZooKeeperError }
  | { readonly type: "notify"; readonly watches: readonly number[]; readonly event: WatchEvent }
  | { readonly type: "session"; readonly change: SessionChange };

/** Times the negotiated timeout after which a session is given up that the servers neither take nor call expired. */
const abandonTimeouts = 10;
/** And rounds over the list in which every server has turned it away. */
const abandonRounds = 3;

export function freshSession(settings: SessionSettings): SessionState {
  return {
    settings,
    link: { at: "waiting", retryAtMs: 0 },
    identity: undefined,
    timeoutMs: settings.timeoutMs,
    provenAtMs: 0,
    presumedLost: false,
    lastZxid: 0n,
    credentials: [],
    watches: noWatches,
    queued: emptyFifo,
    server: 0,
    tries: 0,
    fault: "none has been tried",
    turnedAway: 0,
  };
}

/** Until when the servers keep the session for certain; undefined when there is none. */
export function validUntilMs(state: SessionState): number | undefined {
  return state.identity === undefined || state.link.at === "ended" ? undefined : state.provenAtMs + state.timeoutMs;
}

/** How long one attempt to connect may take: a frozen server leaves time for the others. */
export function connectMs({ timeoutMs, settings }: SessionState): number {
  return Math.max(limits.coordinationConnectMsMin, timeoutMs / settings.servers);
}

/** Silence from a server after which the connection is given up. */
export function silenceMs({ timeoutMs }: SessionState): number {
  return (timeoutMs * 2) / 3;
}

export function pingMs({ timeoutMs }: SessionState): number {
  return timeoutMs / 3;
}

/** The servers turn it away, for ever as it seems: after the data of an ensemble was lost, none of them is as far as this session. */
export function isAbandoned(state: SessionState, nowMs: number): boolean {
  if (!state.presumedLost || state.link.at !== "waiting") return false;
  const longGone = nowMs >= state.provenAtMs + abandonTimeouts * state.timeoutMs;
  return longGone && state.turnedAway >= abandonRounds * state.settings.servers;
}

/** When a `tick` is due. */
export function nextDeadlineMs(state: SessionState): number {
  const { link } = state;
  if (link.at === "ended") return Number.POSITIVE_INFINITY;
  const queued = firstOf(state.queued)?.deadlineMs ?? Number.POSITIVE_INFINITY;
  const until = state.presumedLost ? undefined : validUntilMs(state);
  return Math.min(queued, until ?? Number.POSITIVE_INFINITY, linkDeadlineMs(state, link));
}

function linkDeadlineMs(state: SessionState, link: Exclude<Link, { at: "ended" }>): number {
  switch (link.at) {
    case "waiting":
      return link.retryAtMs;
    case "connecting":
    case "greeting":
      return link.deadlineMs;
    case "running": {
      const oldest = firstOf(link.sent)?.sentAtMs;
      return Math.min(
        link.heardAtMs + silenceMs(state),
        link.pingSentAtMs === undefined ? link.saidAtMs + pingMs(state) : Number.POSITIVE_INFINITY,
        oldest === undefined ? Number.POSITIVE_INFINITY : oldest + state.settings.operationMs,
        link.closing?.deadlineMs ?? Number.POSITIVE_INFINITY,
      );
    }
  }
}
