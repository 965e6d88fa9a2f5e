// Fogbank's own MQTT broker behind the Broker port: MQTT 3.1, 3.1.1 and 5, wired from its parts.
//
//   bytes --> connection, framer --> packets --> connecting | publishing | subscribing --> router --> delivery --> outlet --> bytes
//                                                               |                                   |
//                                                          interceptors                    batch --> store (commit) --> answers
import type { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import type { InboundPublish, Message, StoreWaiter, Verdict } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import { reason } from "#shared/mqtt/reason-codes.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { Random } from "#shared/system/random.ts";
import type { SessionStore } from "#shared/system/session-store.ts";
import type { ListenSpec } from "../net/listen-spec.ts";
import { listenStreams } from "../net/listeners.ts";
import { rightsOf } from "./authorize.ts";
import type { Address, Authorizer, Broker, BrokerConfig, BrokerDeps, BrokerStats, ClientEvent } from "./broker.ts";
import { Connecting } from "./connecting.ts";
import type { Connection, ConnectionEvents } from "./connection.ts";
import { Connections } from "./connections.ts";
import { BrokerCounts } from "./counts.ts";
import { Delivery, type Holder } from "./delivery.ts";
import { checkTopic, InProcess } from "./in-process.ts";
import { LossNotices } from "./loss-notices.ts";
import { Packets } from "./packets.ts";
import { Publishing } from "./publishing.ts";
import { RetainedMessages } from "./retained-messages.ts";
import { Router } from "./router.ts";
import { Sessions } from "./sessions.ts";
import { Subscribing } from "./subscribing.ts";
import { systemMessages, systemTopicsMs, type SystemFigures } from "./system-topics.ts";

export interface CoreBrokerDeps extends BrokerDeps {
  readonly random: Random;
  readonly store: SessionStore;
}

const figuresMs = 100;

/** So many more may be open while they are told that there are too many. */
const connectionsBeyond = 100;

/** Takes up what is stored; accepts nobody before `listen`. */
export async function startCoreBroker(deps: CoreBrokerDeps, config: BrokerConfig): Promise<Broker> {
  const broker = new CoreBroker(deps, config);
  await broker.load();
  return broker;
}

class CoreBroker implements Broker {
  readonly #clock: Clock;
  readonly #store: SessionStore;
  readonly #authorizer: Authorizer;
  readonly #counts = new BrokerCounts();
  readonly #inProcess: InProcess;
  readonly #router: Router;
  readonly #retained = new RetainedMessages();
  readonly #delivery: Delivery;
  readonly #sessions: Sessions;
  readonly #publishing: Publishing;
  readonly #connecting: Connecting;
  readonly #connections: Connections;
  readonly #notices = new LossNotices();
  readonly #listeners = new Set<(event: ClientEvent) => void>();
  readonly #owned = new AsyncDisposableStack();
  readonly #startedMs: number;
  #figuresDueMs = 0;
  #known: { readonly atMs: number; readonly figures: SystemFigures } | undefined;
  #open = 0;
  #isStopping = false;

  constructor({ clock, log, random, store }: CoreBrokerDeps, { authorizer }: BrokerConfig) {
    this.#clock = clock;
    this.#authorizer = authorizer;
    this.#startedMs = clock.monotonic();
    this.#store = store;
    const counts = this.#counts;
    const router = new Router(random.uint32());
    this.#router = router;
    const retained = this.#retained;
    this.#inProcess = new InProcess(log);
    const delivery = new Delivery({
      clock,
      log,
      router,
      store,
      counts,
      onLoss: (session, messages) => {
        this.#notices.lost(session, messages);
        this.#sessions.put(session);
      },
    });
    this.#delivery = delivery;
    this.#publishing = new Publishing({
      clock,
      log,
      authorizer,
      inProcess: this.#inProcess,
      router,
      retained,
      delivery,
      counts,
    });
    const sessions = new Sessions({
      clock,
      log,
      router,
      delivery,
      store,
      onEnd: (session) => {
        this.#connecting.releaseWill(session);
        this.#notices.forget(session, (message) => this.#publishing.own(message, undefined, false));
      },
    });
    this.#sessions = sessions;
    this.#connecting = new Connecting({
      clock,
      log,
      random,
      authorizer,
      sessions,
      delivery,
      publishing: this.#publishing,
      counts,
      isFull: () => this.#open >= limits.connections,
      isStopping: () => this.#isStopping,
      tell: (event) => this.#tell(event),
    });
    const subscribing = new Subscribing({
      clock,
      authorizer,
      router,
      sessions,
      retained,
      delivery,
      systemMessages: (filter) => systemMessages(filter, true, () => this.#figures()),
    });
    const packets = new Packets({
      connecting: this.#connecting,
      publishing: this.#publishing,
      subscribing,
      delivery,
    });
    this.#connections = new Connections(
      {
        clock,
        counts,
        onSweep: () => this.#sweep(),
        needsSweep: () => !this.#isStopping && this.#needsSweep(),
      },
      this.#events(packets, log),
    );
  }

  /** Reads sessions and retained messages from the store. */
  async load(): Promise<void> {
    await this.#sessions.load();
    await this.#retained.load(this.#store, this.#clock.now(), (topic) => this.#forgetRetained(topic));
    if (this.#needsSweep()) this.#connections.sweepSoon();
  }

  async listen(addresses: readonly (Address | ListenSpec)[]): Promise<readonly Address[]> {
    const specs = addresses.map((address) =>
      "transport" in address ? address : { transport: "tcp" as const, ...address },
    );
    const options = { connectionsMax: limits.connections + connectionsBeyond, clock: this.#clock };
    const listeners = await listenStreams(specs, options, ({ stream, origin }) =>
      this.#connections.accept(stream, origin),
    );
    this.#owned.use(listeners);
    return listeners.addresses;
  }

  clients(): ReturnType<Broker["clients"]> {
    return Array.from(this.#connections.open(), ({ info, connectedSinceMs }) => ({ ...info, connectedSinceMs }));
  }

  rightsOf(clientId: string): ReturnType<Broker["rightsOf"]> {
    const info = this.#sessions.get(clientId)?.connection?.info;
    return info && rightsOf(this.#authorizer, info);
  }

  reauthorize(): void {
    for (const connection of this.#connections.open()) {
      const { info, session } = connection;
      connection.role = this.#authorizer.roleOf(info);
      connection.lastTopic = undefined;
      if (session !== undefined) this.#sessions.recheck(session, info, this.#authorizer);
    }
  }

  disconnect(clientId: string): void {
    this.#sessions.get(clientId)?.connection?.close();
  }

  onClient(listener: (event: ClientEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  stats(): BrokerStats {
    const counts = this.#counts;
    return {
      connections: this.#open,
      sessions: this.#sessions.durable,
      queuedMessages: this.#delivery.queuedMessages,
      queuedBytes: this.#delivery.queuedBytes,
      retained: this.#retained.size,
      connectionsRefused: counts.connectionsRefused,
      publishesIn: counts.publishesIn,
      publishesOut: counts.publishesOut,
      publishesTaken: counts.publishesTaken,
      publishesRefused: counts.publishesRefused,
      slowClosed: counts.slowClosed,
      protocolErrors: counts.protocolErrors,
      droppedSlow: counts.droppedSlow,
      droppedQueueFull: counts.droppedQueueFull,
      droppedTooLarge: counts.droppedTooLarge,
      droppedExpired: counts.droppedExpired,
      droppedRetained: counts.droppedRetained,
      dropped:
        counts.droppedSlow +
        counts.droppedQueueFull +
        counts.droppedTooLarge +
        counts.droppedExpired +
        counts.droppedRetained,
    };
  }

  intercept(...args: Parameters<Broker["intercept"]>): Disposable {
    return this.#inProcess.intercept(...args);
  }

  subscribe(filter: string, handler: (message: Message) => void): Disposable {
    return this.#inProcess.subscribe(filter, handler);
  }

  hasSubscriber(topic: string): boolean {
    return this.#inProcess.hasSubscriber(topic) || this.#router.hasSubscriber(topic);
  }

  exactSubscribers(topic: string): readonly string[] {
    return this.#router.exactSubscribers(topic);
  }

  retainedPayload(topic: string): Uint8Array | undefined {
    return this.#retained.payload(topic, this.#clock.now());
  }

  hasSubscriberBelow(prefix: string): boolean {
    return this.#inProcess.hasSubscriberBelow(prefix) || this.#router.hasSubscriberBelow(prefix);
  }

  async publish(message: Message, keep?: "durable"): Promise<void> {
    checkTopic(message.topic);
    const stored = new Stored();
    this.#publishing.own(message, stored, keep === "durable");
    if (stored.isWaiting) await stored.promise;
  }

  async inject(message: Message & Pick<InboundPublish, "timeMs">): Promise<Verdict> {
    checkTopic(message.topic);
    const verdict = await new Promise<Verdict>((resolve) =>
      this.#inProcess.judge({ ...message, clientId: null }, resolve),
    );
    if (verdict.type !== "pass") return verdict;
    const stored = new Stored();
    this.#publishing.own(message, stored, true);
    if (verdict.receipt !== undefined) {
      stored.hold();
      verdict.receipt.wait(stored);
    }
    try {
      if (stored.isWaiting) await stored.promise;
    } catch (error) {
      return { type: "refuse", reason: error instanceof Error ? error.message : String(error) };
    }
    return verdict;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    this.#connections.endAll();
    await this.#owned.disposeAsync();
  }

  #events(packets: Packets, log: Logger): ConnectionEvents {
    const counts = this.#counts;
    const delivery = this.#delivery;
    return {
      packet: (connection, bytes, firstByte, at, end) => packets.receive(connection, bytes, firstByte, at, end),
      readEnded: (connection, bytes) => this.#readEnded(connection, bytes),
      drained: ({ session }) => session !== undefined && delivery.pump(session),
      closed: (connection) => {
        this.#connecting.detach(connection);
        this.#connections.forget(connection);
      },
      failed: (connection, error) => {
        counts.protocolErrors++;
        const { clientId } = connection.info;
        const { remoteAddress } = connection.origin;
        // Of a client that was admitted it is a fault that somebody must mend: it would come again with the same packet.
        const isFault = connection.isOpen && error.reasonCode === reason.packetTooLarge;
        const level = isFault ? "warn" : "debug";
        log[level]({ clientId, remoteAddress, reason: error.message }, "connection closed for what it sent");
        if (connection.isOpen) connection.end(error.reasonCode, error.message);
        else connection.close();
      },
    };
  }

  #readEnded(connection: Connection, bytes: number): void {
    this.#counts.bytesIn += bytes;
    connection.lastReadMs = this.#clock.monotonic();
    if (!connection.needsPump || connection.session === undefined) return;
    connection.needsPump = false;
    this.#delivery.pump(connection.session);
  }

  #needsSweep(): boolean {
    return this.#sessions.needsSweep || this.#retained.needsSweep;
  }

  #forgetRetained(topic: string): void {
    this.#delivery.batch.retain({ topic, message: null });
  }

  #sweep(): void {
    this.#sessions.sweep();
    this.#retained.sweep(this.#clock.now(), (topic) => this.#forgetRetained(topic));
    this.#connecting.sweepWills();
    this.#connecting.sweepGate();
    this.#publishFigures();
    this.#notices.tell(this.#clock.now(), (message) => this.#publishing.own(message, undefined, false));
    this.#delivery.batch.wake();
  }

  #publishFigures(): void {
    const nowMs = this.#clock.monotonic();
    if (nowMs < this.#figuresDueMs || !this.#router.hasSubscriberBelow("$SYS")) return;
    this.#figuresDueMs = nowMs + systemTopicsMs;
    for (const message of systemMessages("$SYS/#", false, () => this.#figures()))
      this.#publishing.own(message, undefined, false);
  }

  /** Taken once for a while: a client may ask for each of them by itself. */
  #figures(): SystemFigures {
    const nowMs = this.#clock.monotonic();
    if (this.#known === undefined || nowMs - this.#known.atMs >= figuresMs)
      this.#known = { atMs: nowMs, figures: this.#takeFigures() };
    return this.#known.figures;
  }

  #takeFigures(): SystemFigures {
    let bytesOut = this.#counts.bytesOut;
    for (const { outlet } of this.#connections.open()) bytesOut += outlet.bytesOut;
    return {
      ...this.stats(),
      bytesIn: this.#counts.bytesIn,
      bytesOut,
      subscriptions: this.#router.size,
      uptimeSeconds: Math.round((this.#clock.monotonic() - this.#startedMs) / 1000),
    };
  }

  #tell(event: ClientEvent): void {
    this.#open += event.type === "connected" ? 1 : -1;
    for (const listener of this.#listeners) listener(event);
  }
}

/** A promise for everything that a message waits for. */
class Stored implements Holder, StoreWaiter {
  readonly #settled = Promise.withResolvers<void>();
  #waits = 0;
  #failure: FogbankError | null = null;

  get isWaiting(): boolean {
    return this.#waits > 0 || this.#failure !== null;
  }

  get promise(): Promise<void> {
    return this.#settled.promise;
  }

  hold(): void {
    this.#waits++;
  }

  stored(error: FogbankError | null): void {
    this.#failure ??= error;
    if (--this.#waits > 0) return;
    if (this.#failure === null) this.#settled.resolve();
    else this.#settled.reject(this.#failure);
  }
}
