// Stock aedes behind the Broker port, for comparison with the core: as little as the contract needs, and nothing that makes up for
// what aedes does not do. Interceptors stand in its authorisation hook.
import { Aedes, type AedesOptions, type Client, type PublishPacket } from "aedes";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { rightsOf } from "#agent/broker/authorize.ts";
import { checkTopic, InProcess } from "#agent/broker/in-process.ts";
import type {
  Address,
  Authorizer,
  Broker,
  BrokerDeps,
  BrokerStats,
  ClientEvent,
  ClientInfo,
  ConnectedClient,
} from "#agent/broker/broker.ts";
import { limits } from "#shared/limits.ts";
import { isTopicName } from "#shared/mqtt/topic.ts";
import { TopicTree } from "#shared/mqtt/topic-tree.ts";
import type { InboundPublish, Interceptor, Message, Verdict } from "#shared/system/bus.ts";

/** What is taken goes where nobody may subscribe. */
const nowhere = "$taken";

export async function startAedesBroker(deps: BrokerDeps, authorizer: Authorizer): Promise<Broker> {
  const broker = new AedesBroker(deps, authorizer);
  await broker.start();
  return broker;
}

class AedesBroker implements Broker {
  readonly #deps: BrokerDeps;
  readonly #authorizer: Authorizer;
  readonly #inProcess: InProcess;
  readonly #filters = new TopicTree<Client>();
  readonly #infos = new WeakMap<Client, ClientInfo>();
  readonly #connected = new Map<string, { readonly client: Client; readonly sinceMs: number }>();
  readonly #listeners = new Set<(event: ClientEvent) => void>();
  readonly #counts = { connectionsRefused: 0, publishesIn: 0, publishesTaken: 0, publishesRefused: 0 };
  readonly #retained = new Map<string, Uint8Array>();
  readonly #sockets = new Set<Socket>();
  readonly #servers: Server[] = [];
  #aedes: Aedes | undefined;

  constructor(deps: BrokerDeps, authorizer: Authorizer) {
    this.#deps = deps;
    this.#authorizer = authorizer;
    this.#inProcess = new InProcess(deps.log);
  }

  async start(): Promise<void> {
    const aedes = await Aedes.createBroker({ ...this.#hooks(), concurrency: 0 });
    this.#aedes = aedes;
    aedes.on("client", (client) => {
      this.#connected.set(client.id, { client, sinceMs: this.#deps.clock.now() });
      this.#tell("connected", client.id);
    });
    aedes.on("clientDisconnect", (client) => {
      if (this.#connected.get(client.id)?.client === client) this.#connected.delete(client.id);
      this.#tell("disconnected", client.id);
    });
    aedes.on("unsubscribe", (gone, client) => gone.forEach((filter) => this.#filters.remove(filter, client)));
  }

  async listen(addresses: readonly Address[]): Promise<readonly Address[]> {
    const bound: Address[] = [];
    for (const { host, port } of addresses) {
      const server = createServer({ noDelay: true }, (socket) => {
        this.#sockets.add(socket);
        socket.once("close", () => this.#sockets.delete(socket));
        this.#aedes?.handle(socket);
      });
      server.listen(port, host);
      await once(server, "listening");
      this.#servers.push(server);
      const address = server.address();
      bound.push({ host, port: typeof address === "object" && address !== null ? address.port : port });
    }
    return bound;
  }

  clients(): readonly ConnectedClient[] {
    return Array.from(this.#connected, ([clientId, { sinceMs }]) => ({ clientId, connectedSinceMs: sinceMs }));
  }

  rightsOf(clientId: string): ReturnType<Broker["rightsOf"]> {
    const client = this.#connected.get(clientId)?.client;
    const info = client && this.#infos.get(client);
    return info && rightsOf(this.#authorizer, info);
  }

  disconnect(clientId: string): void {
    this.#connected.get(clientId)?.client.conn.destroy();
  }

  reauthorize(): void {}

  onClient(listener: (event: ClientEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  stats(): BrokerStats {
    return { ...nothing, ...this.#counts, connections: this.#connected.size, retained: this.#retained.size };
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
    // Their subscriptions outlive the news that they are gone.
    const connected = [...this.#filters.exactly(topic)].filter(
      (client) => this.#connected.get(client.id)?.client === client,
    );
    return connected.map(({ id }) => id);
  }

  retainedPayload(topic: string): Uint8Array | undefined {
    return this.#retained.get(topic);
  }

  hasSubscriberBelow(prefix: string): boolean {
    return this.#inProcess.hasSubscriberBelow(prefix) || this.#filters.hasMatchBelow(prefix);
  }

  async publish(message: Message): Promise<void> {
    checkTopic(message.topic);
    this.#inProcess.deliver(message);
    await this.#route(message);
  }

  async inject(message: Message & Pick<InboundPublish, "timeMs">): Promise<Verdict> {
    checkTopic(message.topic);
    const verdict = await new Promise<Verdict>((resolve) =>
      this.#inProcess.judge({ ...message, clientId: null }, resolve),
    );
    if (verdict.type === "pass") await this.publish(message);
    return verdict;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) server.close();
    await new Promise<void>((resolve) => this.#aedes?.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
  }

  #tell(type: ClientEvent["type"], clientId: string): void {
    for (const hear of this.#listeners) hear({ type, clientId });
  }

  #route({ topic, payload, qos, retain }: Message): Promise<void> {
    this.#noteRetained(topic, payload, retain);
    const packet = { cmd: "publish", topic, payload: Buffer.from(payload), qos, retain, dup: false } as const;
    return new Promise((resolve) => {
      this.#aedes?.publish(packet, () => resolve());
    });
  }

  #noteRetained(topic: string, payload: Uint8Array, retain: boolean): void {
    if (!retain) return;
    if (payload.length === 0) this.#retained.delete(topic);
    else this.#retained.set(topic, payload.slice());
  }

  #hooks(): AedesOptions {
    return {
      authenticate: (client, username, password, callback) => {
        const info: ClientInfo = { clientId: client.id, ...(typeof username === "string" && { username }) };
        void Promise.resolve(this.#authorizer.connect(info, password ?? undefined)).then((answer) => {
          this.#infos.set(client, info);
          if (answer !== true) this.#counts.connectionsRefused++;
          const error = answer === true ? null : Object.assign(new Error(answer.reason), { returnCode: 5 });
          callback(error, error === null);
        });
      },
      authorizePublish: (client, packet, callback) => {
        const info = client === null ? undefined : this.#infos.get(client);
        if (client === null || info === undefined) callback(new Error("not connected"));
        else this.#judge(client, info, packet, callback);
      },
      authorizeSubscribe: (client, subscription, callback) => {
        const info = client === null ? undefined : this.#infos.get(client);
        const isAllowed = info !== undefined && this.#authorizer.subscribe(info, subscription.topic);
        if (isAllowed && client !== null) this.#filters.add(subscription.topic, client);
        callback(null, isAllowed ? subscription : null);
      },
    };
  }

  #judge(client: Client, info: ClientInfo, packet: PublishPacket, callback: (error?: Error | null) => void): void {
    this.#counts.publishesIn++;
    const { topic, qos, retain } = packet;
    const payload = Buffer.from(packet.payload);
    const message: Message = { topic, payload, qos, retain };
    const settle = (verdict: Verdict): void => {
      if (verdict.type === "pass") this.#inProcess.deliver(message);
      else if (verdict.type === "take") this.#counts.publishesTaken++;
      else this.#counts.publishesRefused++;
      if (verdict.type === "refuse" && qos > 0) {
        this.#refuse(client, verdict.now === true);
        return;
      }
      if (verdict.type !== "pass") Object.assign(packet, { topic: nowhere, retain: false });
      this.#noteRetained(packet.topic, payload, packet.retain);
      callback(null);
    };
    if (isTopicName(topic) && this.#authorizer.publish(info, topic)) {
      this.#inProcess.judge({ ...message, clientId: info.clientId }, settle);
    } else settle({ type: "refuse", reason: "not allowed", now: true });
  }

  #refuse(client: Client, now: boolean): void {
    if (now) client.conn.destroy();
    else void this.#deps.clock.sleep(limits.refusedPublishHoldMs).then(() => client.conn.destroy());
  }
}

const nothing: BrokerStats = {
  connections: 0,
  sessions: 0,
  queuedMessages: 0,
  queuedBytes: 0,
  retained: 0,
  connectionsRefused: 0,
  publishesIn: 0,
  publishesOut: 0,
  publishesTaken: 0,
  publishesRefused: 0,
  dropped: 0,
  droppedSlow: 0,
  droppedQueueFull: 0,
  droppedTooLarge: 0,
  droppedExpired: 0,
  droppedRetained: 0,
  slowClosed: 0,
  protocolErrors: 0,
};
