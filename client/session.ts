// A connection that comes back: what is subscribed to is subscribed to again, and what is not acknowledged is sent again.
import { matchesFilter } from "../shared/mqtt/topic.ts";
import { FogbankClientError } from "./client-error.ts";
import {
  openConnection,
  type Connection,
  type ConnectionOptions,
  type Incoming,
  type Outgoing,
  type Qos,
} from "./connection.ts";
import { attemptInMs, pause, within, type Backoff } from "./patience.ts";

export type ConnectionEvent =
  | { readonly state: "connected" }
  /** `reason`: why; the client goes on trying unless it was closed. */
  | { readonly state: "disconnected"; readonly reason: FogbankClientError };

export interface SessionOptions extends ConnectionOptions {
  readonly backoffMs: Backoff;
  /** What handlers of messages throw. */
  readonly onError: (error: unknown) => void;
}

export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** It was kept by the node for new subscribers. */
  readonly retain: boolean;
}

export type MessageHandler = (message: Message) => void | Promise<void>;

/** Disposed: no message comes any more. */
export interface Subscription extends AsyncDisposable {
  unsubscribe(): Promise<void>;
}

export interface Wait {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

interface Filter {
  readonly id: number;
  readonly qos: Qos;
  readonly handlers: Set<MessageHandler>;
}

/** Messages that may wait for their acknowledgement: beyond it new ones are refused. */
const unacknowledgedMax = 10_000;
/** Messages of a kept session that wait for their handler: beyond it the oldest are dropped. */
const earlyMax = 1_000;
/** [MQTT 5, 3.8.2.1.2] */
const subscriptionIdMax = 268_435_455;
/** A connection that has held this long was a good one. */
const stableMs = 10_000;

/** Rejects with `not-connected` or `unauthorized` when the first attempt fails. */
export async function openSession(url: string, options: SessionOptions): Promise<Session> {
  const session = new Session(url, options);
  await session.begin();
  return session;
}

export class Session {
  readonly #url: string;
  readonly #options: SessionOptions;
  readonly #closed = new AbortController();
  readonly #filters = new Map<string, Filter>();
  readonly #listeners = new Set<(event: ConnectionEvent) => void>();
  #connection: Connection | undefined;
  #connected = Promise.withResolvers<Connection>();
  #running: Promise<void> = Promise.resolve();
  #unacknowledged = 0;
  /** Subscriptions that this program has made. */
  readonly #ids = new Set<number>();
  /** What a kept session has brought for subscriptions that this program has not made yet. */
  #early: Incoming[] = [];

  constructor(url: string, options: SessionOptions) {
    this.#url = url;
    this.#options = options;
    this.#connected.promise.catch(() => undefined); // it may fail before anybody waits
  }

  get isConnected(): boolean {
    return this.#connection !== undefined;
  }

  async begin(): Promise<void> {
    this.#up(await this.#open());
    this.#running = this.#keep();
  }

  onConnection(listener: (event: ConnectionEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /**
   * Resolves with the acknowledgement; a message at QoS 1 or 2 whose connection ends before it is sent again on the next one.
   * Rejects with `refused`, `unauthorized`, `timeout`, `cancelled` or `closed`.
   */
  async publish(message: Outgoing, { timeoutMs, signal }: Wait): Promise<void> {
    if (this.#unacknowledged >= unacknowledgedMax)
      throw new FogbankClientError(
        "refused",
        `${unacknowledgedMax} messages wait for the node already: try again later`,
      );
    this.#unacknowledged++;
    const given = new AbortController();
    const late = `no acknowledgement of a message on "${message.topic}" within ${timeoutMs / 1000} s: it may or may not have arrived`;
    try {
      await within(this.#publish(message, given.signal), { ms: timeoutMs, signal, late });
    } finally {
      given.abort();
      this.#unacknowledged--;
    }
  }

  /** Resolves when the node has granted it. Rejects with `unauthorized`, `refused`, `timeout` or `closed`. */
  async subscribe(filter: string, qos: Qos, handler: MessageHandler, wait: Wait): Promise<Subscription> {
    const entry = this.#filters.get(filter) ?? { id: subscriptionIdOf(filter), qos, handlers: new Set() };
    this.#filters.set(filter, entry);
    this.#ids.add(entry.id);
    entry.handlers.add(handler);
    this.#deliverEarly(entry.id);
    const unsubscribe = (): Promise<void> => this.#unsubscribe(filter, handler);
    const late = `the node has not granted the subscription to "${filter}" within ${wait.timeoutMs / 1000} s`;
    try {
      await within(
        this.#repeated((connection) => connection.subscribe(filter, qos, entry.id)),
        {
          ms: wait.timeoutMs,
          signal: wait.signal,
          late,
        },
      );
    } catch (error) {
      await unsubscribe();
      throw error;
    }
    return { unsubscribe, [Symbol.asyncDispose]: unsubscribe };
  }

  /** Resolves when the connection is closed; whoever waits is rejected with `closed`. */
  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return this.#running;
    const reason = new FogbankClientError("closed", "this client has been closed");
    this.#closed.abort(reason);
    this.#connected.reject(reason);
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close(reason);
    if (connection !== undefined) this.#tell({ state: "disconnected", reason });
    await this.#running;
  }

  async #publish(message: Outgoing, given: AbortSignal): Promise<void> {
    await this.#repeated((connection) => {
      if (given.aborted) return Promise.resolve(); // nobody waits for it any more
      return connection.publish(message);
    }, message.qos > 0);
  }

  /** Asks on this connection, and on later ones as long as the connection ends before the answer. */
  async #repeated(ask: (connection: Connection) => Promise<void>, repeats = true): Promise<void> {
    for (;;) {
      const connection = await this.#connected.promise;
      try {
        await ask(connection);
        return;
      } catch (error) {
        if (!repeats || !connection.ended.aborted || this.#closed.signal.aborted) throw error;
        // Noticed here first.
        if (this.#connection === connection) this.#down(connection.ended.reason as FogbankClientError);
      }
    }
  }

  async #unsubscribe(filter: string, handler: MessageHandler): Promise<void> {
    const entry = this.#filters.get(filter);
    entry?.handlers.delete(handler);
    if (entry === undefined || entry.handlers.size > 0) return;
    this.#filters.delete(filter);
    // A connection that ends takes its subscriptions with it.
    await this.#connection?.unsubscribe(filter).catch(() => undefined);
  }

  #open(): Promise<Connection> {
    return openConnection(this.#url, this.#options, (message) => this.#deliver(message), this.#closed.signal);
  }

  #up(connection: Connection): void {
    this.#connection = connection;
    this.#connected.resolve(connection);
    this.#tell({ state: "connected" });
  }

  #down(reason: FogbankClientError): void {
    this.#connection = undefined;
    this.#connected = Promise.withResolvers();
    this.#connected.promise.catch(() => undefined);
    this.#tell({ state: "disconnected", reason });
  }

  /** Until it is closed. */
  async #keep(): Promise<void> {
    const closed = this.#closed.signal;
    for (let failures = 0; ;) {
      const sinceMs = performance.now();
      await this.#whenOver();
      if (closed.aborted) return;
      if (performance.now() - sinceMs >= stableMs) failures = 0;
      failures = await this.#connectAgain(failures);
      if (closed.aborted) return;
    }
  }

  async #whenOver(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) return;
    const { ended } = connection;
    if (!ended.aborted)
      await new Promise<void>((resolve) => ended.addEventListener("abort", () => resolve(), { once: true }));
    if (this.#connection === connection) this.#down(ended.reason as FogbankClientError);
  }

  /** Answers how many attempts in a row have not led to a lasting connection. */
  async #connectAgain(failures: number): Promise<number> {
    for (let failed = failures; ; failed++) {
      await pause(attemptInMs(this.#options.backoffMs, failed, Math.random()), this.#closed.signal);
      if (this.#closed.signal.aborted) return failed;
      const connection = await this.#open().catch(() => undefined);
      if (connection === undefined) continue;
      await Promise.all(
        Array.from(this.#filters, ([filter, { qos, id }]) => connection.subscribe(filter, qos, id)),
      ).catch(this.#options.onError);
      if (this.#closed.signal.aborted) await connection.close(this.#closed.signal.reason as FogbankClientError);
      else if (!connection.ended.aborted) {
        this.#up(connection);
        return failed + 1;
      }
    }
  }

  #deliver(incoming: Incoming): void {
    const { topic, payload, retain, subscriptions } = incoming;
    if (this.#options.isKept && subscriptions.length > 0 && !subscriptions.some((id) => this.#ids.has(id))) {
      this.#early.push(incoming);
      if (this.#early.length > earlyMax) this.#early.shift();
      return;
    }
    for (const [filter, { id, handlers }] of this.#filters) {
      const isFor = subscriptions.length === 0 || subscriptions.includes(id);
      if (!isFor || !matchesFilter(unshared(filter), topic)) continue;
      for (const handler of handlers) void this.#handle(handler, { topic, payload, retain });
    }
  }

  #deliverEarly(id: number): void {
    const isFor = ({ subscriptions }: Incoming): boolean => subscriptions.includes(id);
    const due = this.#early.filter(isFor);
    if (due.length === 0) return;
    this.#early = this.#early.filter((incoming) => !isFor(incoming));
    for (const incoming of due) this.#deliver(incoming);
  }

  async #handle(handler: MessageHandler, message: Message): Promise<void> {
    try {
      await handler(message);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  #tell(event: ConnectionEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#options.onError(error);
      }
    }
  }
}

/** The same in every program: a kept session brings what an earlier one has subscribed to. Two filters of one number are told apart by the topic. */
function subscriptionIdOf(filter: string): number {
  const digest = Array.from(filter).reduce(
    (hash, char) => Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x0100_0193),
    0x811c_9dc5,
  );
  return ((digest >>> 0) % subscriptionIdMax) + 1;
}

/** `$share/<group>/<filter>` without its beginning. */
function unshared(filter: string): string {
  return filter.startsWith("$share/") ? filter.split("/").slice(2).join("/") : filter;
}
