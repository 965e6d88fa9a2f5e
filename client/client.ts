// Fogbank for programs: everything that a client of a node can do, over MQTT 5 on TCP, TLS or WebSocket. Runs on Node, on Deno and in a
// browser; of the project it uses what is in shared/.
import { Calls, type CallOptions, type LevelCallOptions, type LevelsCallOptions } from "./calls.ts";
import { encodeBody, type Encoding } from "./body.ts";
import { drawId } from "./draw-id.ts";
import { FogbankClientError, type ClientErrorCode } from "./client-error.ts";
import type { Qos } from "./connection.ts";
import { onEvent, raise, type EventHandler, type EventKind, type MachineEvent, type RaiseOptions } from "./events.ts";
import { Implementations, type CallContext, type FunctionHandler, type ImplementOptions } from "./implementations.ts";
import { usualBackoff } from "./patience.ts";
import { onPresence, type PresenceEvent, type PresenceHandler } from "./presence.ts";
import type { CallReport, CallStatus, LevelOutcome, LevelsReport, NodeAnswer } from "./reports.ts";
import {
  openSession,
  type ConnectionEvent,
  type MessageHandler,
  type Message,
  type Session,
  type Subscription,
} from "./session.ts";

export { FogbankClientError };
export type {
  CallContext,
  CallOptions,
  CallReport,
  CallStatus,
  ClientErrorCode,
  ConnectionEvent,
  Encoding,
  EventHandler,
  EventKind,
  FunctionHandler,
  ImplementOptions,
  LevelCallOptions,
  LevelOutcome,
  LevelsCallOptions,
  LevelsReport,
  MachineEvent,
  Message,
  MessageHandler,
  NodeAnswer,
  PresenceEvent,
  PresenceHandler,
  Qos,
  RaiseOptions,
  Subscription,
};

export interface ConnectOptions {
  /** Made up when absent. Without `/`, `+` and `#`, and no name of a node. */
  readonly clientId?: string;
  readonly username?: string;
  readonly password?: string;
  /** What this client writes in: JSON (default) or CBOR, which carries bytes. It reads both. */
  readonly encoding?: Encoding;
  /** Seconds after which a silent connection is lost: 10 unless said otherwise. */
  readonly keepalive?: number;
  /** How long one attempt to connect may take: 10 s unless said otherwise. */
  readonly connectTimeoutMs?: number;
  /**
   * `kept`: the node keeps the subscriptions of this client id for an hour after the connection is lost or closed, and what comes for
   * them at QoS 1, such as durable events; it needs a `clientId`. `clean` (default): they end with the connection.
   */
  readonly session?: "clean" | "kept";
  /** First and longest wait before the next attempt: 0.1 s and 5 s unless said otherwise. */
  readonly backoffMs?: { readonly first: number; readonly longest: number };
  /** What handlers of messages and events throw; written to the console unless said otherwise. */
  readonly onError?: (error: unknown) => void;
}

export interface PublishOptions {
  /** 1 unless said otherwise. */
  readonly qos?: Qos;
  readonly retain?: boolean;
  /** Seconds after which nobody gets it any more. */
  readonly expirySeconds?: number;
  /** How long to wait for the acknowledgement, also without a connection: 30 s unless said otherwise. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface FogbankClient extends AsyncDisposable {
  readonly clientId: string;
  readonly isConnected: boolean;
  /**
   * Resolves with the node's acknowledgement: what a stream of the node records is durable there then. Text and bytes go as they
   * are, other values in this client's encoding. Rejects with `refused` and the node's reason, `unauthorized`, `timeout`, `closed`.
   */
  publish(topic: string, payload: unknown, options?: PublishOptions): Promise<void>;
  /** Resolves when the node has granted it. Rejects with `unauthorized`, `refused`, `timeout`, `closed`. */
  subscribe(filter: string, handler: MessageHandler, options?: { readonly qos?: Qos }): Promise<Subscription>;
  /** Offers a function; resolves when calls come. */
  implement(name: string, handler: FunctionHandler, options?: ImplementOptions): Promise<Subscription>;
  /**
   * Calls a function on every node of the tree where the condition holds; resolves with the final report, whatever became of it on
   * the nodes. Rejects with `refused` when the node does not make the call, `cancelled`, `timeout`, `closed`.
   */
  call(name: string, args?: unknown, options?: CallOptions): Promise<CallReport>;
  /** Calls a function of this node's level. */
  callLevel(name: string, args?: unknown, options?: LevelCallOptions): Promise<NodeAnswer>;
  /** Calls a function at several levels between this node and the root. */
  callLevels(name: string, args?: unknown, options?: LevelsCallOptions): Promise<LevelsReport>;
  /** Cancels a call by its id: `call` then resolves with what became of it. */
  cancel(id: string): Promise<void>;
  /** `name`: one event, or "#" for all of that kind. */
  onEvent(kind: EventKind, name: string, handler: EventHandler): Promise<Subscription>;
  /** Resolves when the node has the event, durably unless told otherwise. */
  raise(kind: EventKind, name: string, args?: unknown, options?: RaiseOptions): Promise<void>;
  /** Hears from now on when the connection to the node is lost, and when it is back. */
  onConnection(handler: (event: ConnectionEvent) => void): Disposable;
  /** Hears of the node's children and of its own link upward, first how they stand. */
  onPresence(handler: PresenceHandler): Promise<Subscription>;
  /** Says goodbye; whoever waits is rejected with `closed`. */
  close(): Promise<void>;
}

/** `url`: mqtt://, mqtts://, ws:// or wss://. Rejects with `not-connected` or `unauthorized` when the first attempt fails; later ones are made until `close`. */
export async function connect(url: string, options: ConnectOptions = {}): Promise<FogbankClient> {
  const { encoding = "json", clientId = `client-${drawId(8)}`, onError = (error) => console.error(error) } = options;
  const { username, password, keepalive = 10, connectTimeoutMs = 10_000, backoffMs = usualBackoff } = options;
  const isKept = options.session === "kept";
  if (isKept && options.clientId === undefined)
    throw new FogbankClientError(
      "bad-argument",
      "a session that is kept needs a clientId, under which the program comes back",
    );
  if (!/^[^/+#]{1,256}$/.test(clientId))
    throw new FogbankClientError("bad-argument", "a client id has 1 to 256 characters, none of them /, + or #");
  const session = await openSession(url, {
    clientId,
    username,
    password,
    keepalive,
    connectTimeoutMs,
    isKept,
    backoffMs,
    onError,
  });
  return clientOf(session, clientId, encoding, onError);
}

const grantMs = 10_000;
const acknowledgementMs = 30_000;

function clientOf(
  session: Session,
  clientId: string,
  encoding: Encoding,
  onError: (error: unknown) => void,
): FogbankClient {
  const calls = new Calls(session, encoding, clientId);
  const implementations = new Implementations(session, encoding, onError);
  return {
    clientId,
    get isConnected() {
      return session.isConnected;
    },
    async publish(topic, payload, options = {}) {
      const { qos = 1, retain = false, expirySeconds, timeoutMs = acknowledgementMs, signal } = options;
      const bytes = payloadOf(payload, encoding);
      await session.publish({ topic, payload: bytes, qos, retain, expirySeconds }, { timeoutMs, signal });
    },
    subscribe: (filter, handler, { qos = 1 } = {}) => session.subscribe(filter, qos, handler, { timeoutMs: grantMs }),
    implement: (name, handler, options = {}) => implementations.implement(name, handler, options),
    call: (name, args, options = {}) => calls.call(name, args, options),
    callLevel: (name, args, options = {}) => calls.callLevel(name, args, options),
    callLevels: (name, args, options = {}) => calls.callLevels(name, args, options),
    cancel: (id) => calls.cancel(id),
    onEvent: async (kind, name, handler) => onEvent(session, kind, name, handler),
    raise: (kind, name, args, options = {}) => raise(session, encoding, { kind, name, args }, options),
    onConnection: (handler) => session.onConnection(handler),
    onPresence: (handler) => onPresence(session, handler),
    close: () => session.close(),
    [Symbol.asyncDispose]: () => session.close(),
  };
}

function payloadOf(payload: unknown, encoding: Encoding): Uint8Array {
  if (payload instanceof Uint8Array) return payload;
  return typeof payload === "string" ? new TextEncoder().encode(payload) : encodeBody(payload, encoding);
}
