// The Broker port by aedes: MQTT 3.1.1 over TCP, everything in memory. Sessions and retained messages end with the process.
//
//   socket --gauge, room--> aedes --authorizePublish--> inbound (interceptors) --pass--> in-process subscribers, aedes' routing
import { Aedes, type Client } from "aedes";
import type { Socket } from "node:net";
import { TopicTree } from "#shared/mqtt/topic-tree.ts";
import { limits } from "#shared/limits.ts";
import type { Message, Verdict } from "#shared/system/bus.ts";
import { createHooks, mayHold, type AedesState } from "./aedes-hooks.ts";
import { disableDuplicateFilter, guardParser, reinstate, unregister } from "./aedes-internals.ts";
import type { Broker, BrokerConfig, BrokerDeps, BrokerStats } from "./broker.ts";
import { ConnectedClients } from "./connected-clients.ts";
import { Inbound } from "./inbound.ts";
import { checkTopic, InProcess } from "./in-process.ts";
import { listenTcp } from "./listener.ts";
import { PacketGauge } from "./packet-gauge.ts";
import { SessionMemory, type SessionBounds } from "./session-memory.ts";

/** What a broker that forgets everything at its end keeps in memory. */
const sessionBounds: SessionBounds = {
  sessionsMax: limits.sessions,
  queueMessagesMax: limits.sessionQueueMessages,
  queueBytesMax: limits.sessionQueueBytes,
  totalQueueBytesMax: limits.sessionQueuesBytes,
  retainedMax: limits.retainedMessages,
  retainedBytesMax: limits.retainedBytes,
  subscriptionsMax: limits.subscriptionsPerClient,
};

/** Keeps everything in memory and accepts nobody before `listen`. */
export async function startAedesBroker(deps: BrokerDeps, config: BrokerConfig): Promise<Broker> {
  await using stack = new AsyncDisposableStack();
  const state = createState(deps, config);
  const aedes = await Aedes.createBroker({
    ...createHooks(state),
    persistence: state.memory,
    concurrency: 0, // aedes' default stops the whole broker when 100 messages wait for slow subscribers
    connectTimeout: limits.connectPacketMs,
    drainTimeout: limits.drainMs,
    maxTopicLevels: 100, // its own bound
  });
  stack.defer(() => new Promise((resolve) => aedes.close(resolve)));
  follow(aedes, state);
  return createPort(aedes, state, stack.move());
}

function createState(deps: BrokerDeps, config: BrokerConfig): AedesState {
  const { clock, log } = deps;
  const { authorizer } = config;
  const inProcess = new InProcess(log);
  const clients = new ConnectedClients(log);
  const memory: SessionMemory = new SessionMemory(
    sessionBounds,
    ({ id }, filter) => {
      const client = clients.get(id);
      return client !== undefined && mayHold(state, client, filter);
    },
    (clientId) => clients.has(clientId),
  );
  const hasIncoming = (clientId: string, messageId: number) => memory.hasIncoming(clientId, messageId);
  const state: AedesState = {
    deps,
    authorizer,
    inProcess,
    inbound: new Inbound({ clock, log, inProcess, authorizer, hasIncoming }),
    clients,
    memory,
    connections: new WeakMap(),
    cleanFilters: new TopicTree(),
    connectionsRefused: 0,
    dropped: 0,
    slowClosed: 0,
    isStopping: false,
  };
  return state;
}

/** Hands a new connection to aedes, behind the bounds on what it may send. */
function serve(aedes: Aedes, state: AedesState, socket: Socket): void {
  const client = aedes.handle(socket);
  disableDuplicateFilter(client);
  guardParser(client);
  socket.once("close", () => state.connections.get(client)?.closed.abort());
  const gauge = new PacketGauge(limits.packetBytes);
  const read = socket.read.bind(socket);
  socket.read = (size?: number): Buffer | null => {
    if (size === 0) return read(0); // only asks the system for more
    const connection = state.connections.get(client);
    if (connection !== undefined && !state.inbound.hasRoom(connection)) return null;
    const bytes: Buffer | null = read(size);
    if (bytes === null) return null;
    const finding = gauge.take(bytes);
    if (finding === "ok") return bytes;
    socket.destroy(new Error(`closed for its bytes: ${finding}`));
    return null;
  };
}

/** Keeps the books of who is connected and subscribed, from what aedes reports. */
function follow(aedes: Aedes, state: AedesState): void {
  const { clients, cleanFilters, connections } = state;
  const { log, clock } = state.deps;
  aedes.on("client", (client) => {
    const connection = connections.get(client);
    if (client.closed || connection === undefined) unregister(aedes, client);
    else clients.add(client, connection.info, clock.now());
  });
  aedes.on("clientDisconnect", (client) => {
    if (client.clean) removeCleanFilters(state, client, connections.get(client)?.filters ?? []);
    clients.remove(client);
    const successor = clients.get(client.id);
    if (successor !== undefined) reinstate(aedes, successor);
  });
  aedes.on("subscribe", (subscriptions, client) => {
    if (client.closed || !client.clean) return;
    for (const { topic, qos } of subscriptions) if (qos <= 2) cleanFilters.add(topic, client);
  });
  aedes.on("unsubscribe", (filters, client) => {
    if (client.clean) removeCleanFilters(state, client, filters);
    if (client.closed) return;
    for (const filter of filters) connections.get(client)?.filters.delete(filter);
  });
  const logFailure = (client: Client, error: Error) =>
    log.debug({ clientId: client.id, reason: error.message }, "connection failed");
  aedes.on("clientError", logFailure);
  aedes.on("connectionError", logFailure);
  aedes.addListener("error", (error: Error) => log.error({ error }, "the broker failed inside"));
}

function removeCleanFilters(state: AedesState, client: Client, filters: Iterable<string>): void {
  for (const filter of filters) state.cleanFilters.remove(filter, client);
}

function createPort(aedes: Aedes, state: AedesState, owned: AsyncDisposableStack): Broker {
  const { inProcess, clients, memory, cleanFilters } = state;
  const route = createRouter(aedes);
  return {
    async listen(addresses) {
      const { clock } = state.deps;
      const listener = await listenTcp(addresses, limits.connections, clock, (socket) => serve(aedes, state, socket));
      owned.use(listener);
      owned.defer(() => void (state.isStopping = true));
      return listener.addresses;
    },
    clients: () => clients.list(),
    disconnect: (clientId) => void clients.get(clientId)?.conn.destroy(),
    onClient: (handler) => clients.listen(handler),
    stats: () => statsOf(state),
    intercept: (filter, interceptor) => inProcess.intercept(filter, interceptor),
    subscribe: (filter, handler) => inProcess.subscribe(filter, handler),
    hasSubscriber: (topic) =>
      inProcess.hasSubscriber(topic) || cleanFilters.hasMatch(topic) || memory.hasSubscriber(topic),
    hasSubscriberBelow: (prefix) =>
      inProcess.hasSubscriberBelow(prefix) || cleanFilters.hasMatchBelow(prefix) || memory.hasSubscriberBelow(prefix),
    async publish(message) {
      checkTopic(message.topic);
      inProcess.deliver(message);
      await route(message);
    },
    async inject(message) {
      checkTopic(message.topic);
      const verdict = await new Promise<Verdict>((resolve) => inProcess.judge({ ...message, clientId: null }, resolve));
      if (verdict.type !== "pass") return verdict;
      inProcess.deliver(message);
      await route(message);
      return verdict;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Hands messages of the node itself to aedes. Answers nothing as long as few are on their way, else when this one has left. */
function createRouter(aedes: Aedes): (message: Message) => Promise<void> | undefined {
  let onTheirWay = 0;
  return ({ topic, payload, qos, retain }) => {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    const packet = { cmd: "publish", topic, payload: bytes, qos, retain, dup: false } as const;
    onTheirWay++;
    if (onTheirWay <= limits.ownPublishes) {
      aedes.publish(packet, () => onTheirWay--);
      return undefined;
    }
    return new Promise((resolve) => {
      aedes.publish(packet, () => {
        onTheirWay--;
        resolve();
      });
    });
  };
}

function statsOf(state: AedesState): BrokerStats {
  const { inbound, clients, memory, connectionsRefused, slowClosed } = state;
  const { dropped, ...kept } = memory.counts;
  return {
    ...kept,
    connections: clients.size,
    connectionsRefused,
    publishesIn: inbound.publishesIn,
    publishesTaken: inbound.publishesTaken,
    publishesRefused: inbound.publishesRefused,
    dropped: dropped + state.dropped,
    slowClosed,
  };
}
