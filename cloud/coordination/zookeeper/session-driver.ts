// Performs what the session machine asks for: sockets, one timer, chance. Everything else is decided in session.ts.
import { connect, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import type { Clock } from "#shared/system/clock.ts";
import type { Random } from "#shared/system/random.ts";
import { FrameAssembler } from "./frames.ts";
import { JuteError } from "./jute.ts";
import type { ServerAddress } from "./server-list.ts";
import {
  freshSession,
  nextDeadlineMs,
  type SessionChange,
  type SessionEvent,
  type SessionSettings,
  type SessionState,
  type WatchEvent,
} from "./session-state.ts";
import { stepSession } from "./session.ts";
import type { ZooKeeperError } from "./zookeeper-error.ts";

/** As node:tls takes them. Without `ca` the system's authorities are believed. */
export type TlsOptions = Pick<
  ConnectionOptions,
  "ca" | "cert" | "key" | "passphrase" | "servername" | "rejectUnauthorized"
>;

export interface SessionDeps {
  readonly clock: Clock;
  readonly random: Random;
}

/** Who learns of what. Listeners may dispatch at once; they must not throw. */
export interface SessionAudience {
  succeeded(operation: number, result: unknown): void;
  failed(operation: number, error: ZooKeeperError): void;
  notified(watches: readonly number[], event: WatchEvent): void;
  changed(change: SessionChange): void;
}

export class SessionDriver {
  readonly #servers: readonly ServerAddress[];
  readonly #tls: TlsOptions | undefined;
  readonly #deps: SessionDeps;
  readonly #audience: SessionAudience;
  readonly #events: SessionEvent[] = [];
  #state: SessionState;
  #isStepping = false;
  #socket: Socket | undefined;
  #unsent: Uint8Array[] = [];
  #timer: { readonly atMs: number; readonly stop: AbortController } | undefined;

  /** `servers` are tried in a random order, the same one again and again. */
  constructor(
    servers: readonly ServerAddress[],
    settings: Omit<SessionSettings, "servers">,
    tls: TlsOptions | undefined,
    deps: SessionDeps,
    audience: SessionAudience,
  ) {
    this.#servers = shuffled(servers, deps.random);
    this.#tls = tls;
    this.#deps = deps;
    this.#audience = audience;
    this.#state = freshSession({ ...settings, servers: servers.length });
  }

  get state(): SessionState {
    return this.#state;
  }

  /** One event after another: what an effect leads to is stepped when all effects before it have been performed. */
  dispatch(event: SessionEvent): void {
    this.#events.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) this.#step(next);
    } finally {
      this.#isStepping = false;
    }
    this.#setTimer();
  }

  #step(event: SessionEvent): void {
    const { clock, random } = this.#deps;
    const [state, effects] = stepSession(this.#state, event, clock.monotonic(), random.unit());
    this.#state = state;
    for (const effect of effects) {
      switch (effect.type) {
        case "dial":
          this.#dial(effect.server);
          break;
        case "hang-up":
          this.#hangUp();
          break;
        case "send":
          this.#send(effect.bytes);
          break;
        case "succeed":
          this.#audience.succeeded(effect.operation, effect.result);
          break;
        case "fail":
          this.#audience.failed(effect.operation, effect.error);
          break;
        case "notify":
          this.#audience.notified(effect.watches, effect.event);
          break;
        case "session":
          this.#audience.changed(effect.change);
          break;
      }
    }
  }

  #dial(server: number): void {
    const address = this.#servers[server];
    if (address === undefined) return;
    const { host, port } = address;
    const socket = this.#tls === undefined ? connect({ host, port }) : connectTls({ ...this.#tls, host, port });
    const assembler = new FrameAssembler();
    let reason = `${host}:${port} has closed the connection`;
    this.#socket = socket;
    socket.setNoDelay(true);
    const own = (event: SessionEvent): void => {
      if (this.#socket === socket) this.dispatch(event);
    };
    socket.once(this.#tls === undefined ? "connect" : "secureConnect", () => own({ type: "opened" }));
    socket.on("data", (bytes) => {
      try {
        own({ type: "frames", frames: assembler.push(bytes as Uint8Array) });
      } catch (error) {
        if (!(error instanceof JuteError)) throw error;
        own({ type: "closed", reason: error.message });
        socket.destroy();
      }
    });
    socket.on("error", (error) => (reason = `${host}:${port}: ${error.message}`));
    socket.once("end", () => socket.destroy());
    socket.once("close", () => own({ type: "closed", reason }));
  }

  #hangUp(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#unsent = [];
    socket?.destroy();
  }

  /** What is asked for in one turn of the event loop leaves in one piece: most of the throughput. */
  #send(bytes: Uint8Array): void {
    this.#unsent.push(bytes);
    if (this.#unsent.length === 1) process.nextTick(() => this.#flush());
  }

  #flush(): void {
    const unsent = this.#unsent;
    this.#unsent = [];
    if (unsent.length > 0) this.#socket?.write(Buffer.concat(unsent));
  }

  /** One timer, never later than the next deadline; one that comes too early finds nothing to do. */
  #setTimer(): void {
    const atMs = nextDeadlineMs(this.#state);
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.#timer?.stop.abort();
    this.#timer = undefined;
    if (atMs === Number.POSITIVE_INFINITY) return;
    const timer = { atMs, stop: new AbortController() };
    this.#timer = timer;
    const { clock } = this.#deps;
    void clock.sleep(Math.ceil(atMs - clock.monotonic()), timer.stop.signal).then(
      () => {
        if (this.#timer !== timer) return;
        this.#timer = undefined;
        this.dispatch({ type: "tick" });
      },
      () => undefined, // stopped: another one is set, or none is needed
    );
  }
}

function shuffled<T>(values: readonly T[], random: Random): readonly T[] {
  const left = [...values];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(Math.floor(random.unit() * left.length), 1));
  return order;
}
