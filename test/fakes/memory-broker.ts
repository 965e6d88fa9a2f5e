// The Broker port without sockets: for tests of whole nodes. Everything happens in microtasks, in a fixed order; only the hold before
// a refused publisher is closed waits for the clock that is handed in.
import { rightsOf } from "#agent/broker/authorize.ts";
import { checkTopic, InProcess } from "#agent/broker/in-process.ts";
import type {
  Address,
  AdmissionRefused,
  Authorizer,
  Broker,
  BrokerConfig,
  BrokerDeps,
  BrokerStats,
  ClientEvent,
  ClientInfo,
  ConnectedClient,
} from "#agent/broker/broker.ts";
import { limits } from "#shared/limits.ts";
import { isTopicFilter, isTopicName, matchesFilter } from "#shared/mqtt/topic.ts";
import { TopicTree } from "#shared/mqtt/topic-tree.ts";
import type { InboundPublish, Interceptor, Message, Qos, Verdict } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";

export interface MemoryClientOptions {
  readonly username?: string;
  readonly password?: string;
  readonly will?: Message;
}

const stopped: AdmissionRefused = { refused: "busy", reason: "the broker has stopped" };

/** What stands in the packet of a publish beside the message. */
export type PublishedHow = Pick<InboundPublish, "repeated" | "expirySeconds">;

/** One MQTT client in a clean session. */
export interface MemoryClient {
  readonly clientId: string;
  /** Settles when the connection has ended, whoever ended it. */
  readonly closed: Promise<void>;
  /** QoS 0: resolves at once. Otherwise resolves with the acknowledgement, rejects when the connection ends before it. */
  publish(message: Message, how?: PublishedHow): Promise<void>;
  /** False when the broker refuses the filter. */
  subscribe(filter: string, qos?: Qos): Promise<boolean>;
  unsubscribe(filter: string): Promise<void>;
  onMessage(handler: (message: Message) => void): void;
  /** Says goodbye: no will. */
  disconnect(): Promise<void>;
  /** The connection breaks: the will is published. */
  drop(): Promise<void>;
}

interface Connection {
  readonly info: ClientInfo;
  readonly connectedSinceMs: number;
  readonly will: Message | undefined;
  readonly qosByFilter: Map<string, Qos>;
  readonly handlers: ((message: Message) => void)[];
  /** Aborted when the connection has ended. */
  readonly closing: AbortController;
}

export class MemoryBroker implements Broker {
  readonly #clock: Clock;
  readonly #authorizer: Authorizer;
  readonly #inProcess: InProcess;
  readonly #connections = new Map<string, Connection>();
  readonly #filters = new TopicTree<Connection>();
  readonly #retained = new Map<string, Message>();
  readonly #listeners = new Set<(event: ClientEvent) => void>();
  readonly #counts = { connectionsRefused: 0, publishesIn: 0, publishesTaken: 0, publishesRefused: 0 };
  #isStopped = false;

  constructor(deps: BrokerDeps, config: Pick<BrokerConfig, "authorizer">) {
    this.#clock = deps.clock;
    this.#authorizer = config.authorizer;
    this.#inProcess = new InProcess(deps.log);
  }

  /** Rejects when the authorizer refuses. A client with the same id is cut off. */
  async connect(clientId: string, { username, password, will }: MemoryClientOptions = {}): Promise<MemoryClient> {
    await Promise.resolve();
    const info: ClientInfo = { clientId, ...(username !== undefined && { username }) };
    const secret = password === undefined ? undefined : new TextEncoder().encode(password);
    const answer = this.#isStopped ? stopped : await this.#authorizer.connect(info, secret);
    if (answer !== true) {
      this.#counts.connectionsRefused++;
      throw new Error(`"${clientId}" may not connect: ${answer.reason}`);
    }
    this.disconnect(clientId);
    const connection: Connection = {
      info,
      connectedSinceMs: this.#clock.now(),
      will,
      qosByFilter: new Map(),
      handlers: [],
      closing: new AbortController(),
    };
    this.#connections.set(clientId, connection);
    this.#tell("connected", clientId);
    return this.#clientOf(connection);
  }

  /** Without sockets: what was asked for, as it is. */
  async listen(addresses: readonly Address[]): Promise<readonly Address[]> {
    return addresses;
  }

  clients(): readonly ConnectedClient[] {
    return Array.from(this.#connections.values(), ({ info, connectedSinceMs }) => ({ ...info, connectedSinceMs }));
  }

  rightsOf(clientId: string): ReturnType<Broker["rightsOf"]> {
    const info = this.#connections.get(clientId)?.info;
    return info && rightsOf(this.#authorizer, info);
  }

  disconnect(clientId: string): void {
    const connection = this.#connections.get(clientId);
    if (connection !== undefined) this.#close(connection, "broken");
  }

  /** Nothing that was decided is kept. */
  reauthorize(): void {}

  onClient(listener: (event: ClientEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  stats(): BrokerStats {
    const nothingKept = {
      sessions: 0,
      queuedMessages: 0,
      queuedBytes: 0,
      publishesOut: 0,
      slowClosed: 0,
      protocolErrors: 0,
      dropped: 0,
      droppedSlow: 0,
      droppedQueueFull: 0,
      droppedTooLarge: 0,
      droppedExpired: 0,
      droppedRetained: 0,
    };
    return { ...this.#counts, ...nothingKept, connections: this.#connections.size, retained: this.#retained.size };
  }

  intercept(filter: string, interceptor: Interceptor): Disposable {
    return this.#inProcess.intercept(filter, interceptor);
  }

  subscribe(filter: string, handler: (message: Message) => void): Disposable {
    return this.#inProcess.subscribe(filter, handler);
  }

  hasSubscriber(topic: string): boolean {
    return this.#inProcess.hasSubscriber(topic) || this.#filters.hasMatch(topic);
  }

  exactSubscribers(topic: string): readonly string[] {
    return Array.from(this.#filters.exactly(topic), ({ info }) => info.clientId);
  }

  retainedPayload(topic: string): Uint8Array | undefined {
    return this.#retained.get(topic)?.payload;
  }

  hasSubscriberBelow(prefix: string): boolean {
    return this.#inProcess.hasSubscriberBelow(prefix) || this.#filters.hasMatchBelow(prefix);
  }

  async publish(message: Message): Promise<void> {
    checkTopic(message.topic);
    this.#route(message);
  }

  async inject(message: Message & Pick<InboundPublish, "timeMs">): Promise<Verdict> {
    checkTopic(message.topic);
    const publish: InboundPublish = { ...message, clientId: null };
    const verdict = await new Promise<Verdict>((resolve) => this.#inProcess.judge(publish, resolve));
    if (verdict.type !== "pass") return verdict;
    this.#route(message);
    const failure = await stored(verdict);
    return failure === null ? verdict : { type: "refuse", reason: failure };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    for (const connection of this.#connections.values()) this.#close(connection, "clean");
  }

  #clientOf(connection: Connection): MemoryClient {
    const { signal } = connection.closing;
    return {
      clientId: connection.info.clientId,
      closed: new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
      publish: (message, how) => this.#publishFrom(connection, message, how),
      subscribe: (filter, qos = 0) => this.#subscribe(connection, filter, qos),
      unsubscribe: async (filter) => {
        connection.qosByFilter.delete(filter);
        this.#filters.remove(filter, connection);
      },
      onMessage: (handler) => void connection.handlers.push(handler),
      disconnect: async () => this.#close(connection, "clean"),
      drop: async () => this.#close(connection, "broken"),
    };
  }

  async #publishFrom(connection: Connection, message: Message, how: PublishedHow = {}): Promise<void> {
    await Promise.resolve();
    const { signal } = connection.closing;
    signal.throwIfAborted();
    const acknowledged = Promise.withResolvers<void>();
    const lose = (): void => acknowledged.reject(reasonOf(signal));
    signal.addEventListener("abort", lose);
    this.#judge(connection, message, how, (verdict) => {
      if (verdict.type === "refuse") {
        if (message.qos > 0) this.#closeRefused(connection, verdict.now === true);
        return;
      }
      void stored(verdict).then((failure) => {
        if (failure !== null) this.#closeRefused(connection, false);
        else if (!signal.aborted) acknowledged.resolve();
      });
    });
    if (message.qos === 0) acknowledged.resolve();
    try {
      await acknowledged.promise;
    } finally {
      signal.removeEventListener("abort", lose);
    }
  }

  async #subscribe(connection: Connection, filter: string, qos: Qos): Promise<boolean> {
    await Promise.resolve();
    connection.closing.signal.throwIfAborted();
    if (!isTopicFilter(filter)) {
      this.#close(connection, "broken");
      throw new Error(`"${filter}" is not a topic filter`);
    }
    if (!this.#authorizer.subscribe(connection.info, filter)) return false;
    connection.qosByFilter.set(filter, qos);
    this.#filters.add(filter, connection);
    for (const message of this.#retained.values()) {
      if (matchesFilter(filter, message.topic)) handOver(connection, message, qos);
    }
    return true;
  }

  #judge(connection: Connection, message: Message, how: PublishedHow, done: (verdict: Verdict) => void): void {
    const { info } = connection;
    this.#counts.publishesIn++;
    const settle = (verdict: Verdict): void => {
      if (verdict.type === "pass") this.#route(message);
      else if (verdict.type === "take") this.#counts.publishesTaken++;
      else this.#counts.publishesRefused++;
      done(verdict);
    };
    const mayPublish = isTopicName(message.topic) && this.#authorizer.publish(info, message.topic);
    if (mayPublish) this.#inProcess.judge({ ...message, ...how, clientId: info.clientId }, settle);
    else settle({ type: "refuse", reason: "not allowed", now: true });
  }

  #route(message: Message): void {
    if (message.retain) {
      if (message.payload.length === 0) this.#retained.delete(message.topic);
      else this.#retained.set(message.topic, { ...message, payload: message.payload.slice() });
    }
    this.#inProcess.deliver(message);
    for (const connection of new Set(this.#filters.match(message.topic))) {
      handOver(connection, { ...message, retain: false }, grantedQos(connection, message.topic));
    }
  }

  #closeRefused(connection: Connection, now: boolean): void {
    if (now) {
      this.#close(connection, "broken");
      return;
    }
    this.#clock.sleep(limits.refusedPublishHoldMs, connection.closing.signal).then(
      () => this.#close(connection, "broken"),
      () => {},
    );
  }

  #close(connection: Connection, how: "clean" | "broken"): void {
    const { info, closing, will, qosByFilter } = connection;
    if (closing.signal.aborted) return;
    this.#connections.delete(info.clientId);
    for (const filter of qosByFilter.keys()) this.#filters.remove(filter, connection);
    closing.abort(new Error(`the connection of "${info.clientId}" has ended`));
    this.#tell("disconnected", info.clientId);
    if (how === "broken" && will !== undefined) this.#judge(connection, will, {}, () => {});
  }

  #tell(type: ClientEvent["type"], clientId: string): void {
    for (const listener of this.#listeners) listener({ type, clientId });
  }
}

/** Null, or why what was promised is not stored. */
function stored(verdict: Verdict): Promise<string | null> {
  if (verdict.type !== "pass" || verdict.receipt === undefined) return Promise.resolve(null);
  const { receipt } = verdict;
  return new Promise((resolve) => receipt.wait({ stored: (error) => resolve(error?.message ?? null) }));
}

function grantedQos(connection: Connection, topic: string): Qos {
  let best: Qos = 0;
  for (const [filter, qos] of connection.qosByFilter) if (qos > best && matchesFilter(filter, topic)) best = qos;
  return best;
}

/** As from a network: in a later microtask, in order, with a payload of its own. */
function handOver(connection: Connection, message: Message, granted: Qos): void {
  const qos = granted < message.qos ? granted : message.qos;
  const copy: Message = { ...message, qos, payload: message.payload.slice() };
  queueMicrotask(() => {
    if (connection.closing.signal.aborted) return;
    for (const handler of connection.handlers) handler(copy);
  });
}

function reasonOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new Error("the connection has ended");
}
