// How the aedes broker answers aedes' questions: may this client connect, publish, subscribe, and is it reading what it gets?
import type { AedesOptions, AedesPublishPacket, Client, ConnectPacket } from "aedes";
import { limits } from "#shared/limits.ts";
import { isTopicFilter, isTopicName, matchesFilter } from "#shared/mqtt/topic.ts";
import type { TopicTree } from "#shared/mqtt/topic-tree.ts";
import { isFromSession, isRetainedDelivery, isWill, subscriptionsOf } from "./aedes-internals.ts";
import type { Authorizer, BrokerDeps, ClientInfo } from "./broker.ts";
import type { ConnectedClients } from "./connected-clients.ts";
import { takenTopic, type Connection, type Inbound } from "./inbound.ts";
import type { InProcess } from "./in-process.ts";
import type { SessionMemory } from "./session-memory.ts";

/** What the parts of the aedes broker share. */
export interface AedesState {
  readonly deps: BrokerDeps;
  readonly authorizer: Authorizer;
  readonly inProcess: InProcess;
  readonly inbound: Inbound;
  readonly clients: ConnectedClients;
  readonly memory: SessionMemory;
  readonly connections: WeakMap<Client, Connection>;
  /** Subscriptions of clean sessions; `memory` has the others. */
  readonly cleanFilters: TopicTree<Client>;
  connectionsRefused: number;
  dropped: number;
  slowClosed: number;
  isStopping: boolean;
}

const unacceptableVersion = 0;
const rejectedIdentifier = 2;
const serverUnavailable = 3;
const notAuthorized = 5;

export function createHooks(state: AedesState): AedesOptions {
  const badIds = new WeakSet<Client>();
  return {
    preConnect: (client, packet, callback) => {
      disableUnsupported(packet);
      if (packet.clientId.length > limits.clientIdChars) badIds.add(client);
      if (packet.clientId === "" && packet.clean !== true) badIds.add(client); // [MQTT-3.1.3-8]
      const isLegal = packet.will === undefined || isTopicName(packet.will.topic);
      callback(isLegal ? null : new Error("illegal will topic"), isLegal);
    },
    authenticate: (client, username, password, callback) => {
      const refusal = badIds.has(client)
        ? refuse(rejectedIdentifier, "illegal client identifier")
        : admit(state, client, username, password);
      if (refusal !== undefined) state.connectionsRefused++;
      callback(refusal ?? null, refusal === undefined);
    },
    authorizePublish: (client, packet, callback) => {
      const connection = client === null ? undefined : state.connections.get(client);
      if (client === null || connection === undefined || state.isStopping) callback(new Error("not connected"));
      else if (isWill(packet)) state.inbound.will(connection, packet, callback);
      else state.inbound.publish({ client, connection, packet, answer: callback });
    },
    authorizeSubscribe: (client, subscription, callback) => {
      if (!isTopicFilter(subscription.topic)) callback(new Error("illegal topic filter")); // [MQTT-4.8.0-1]
      else callback(null, mayHold(state, client, subscription.topic) ? subscription : null);
    },
    authorizeForward: (client, packet) => forward(state, client, packet),
  };
}

/** Whether the client may have a subscription with this filter; asked again when a session is stored and restored. */
export function mayHold(state: AedesState, client: Client, filter: string): boolean {
  const connection = state.connections.get(client);
  if (connection === undefined || filter === takenTopic || filter.startsWith(`${takenTopic}/`)) return false;
  const isFull = connection.filters.size >= limits.subscriptionsPerClient && !connection.filters.has(filter);
  if (isFull || !state.authorizer.subscribe(connection.info, filter)) return false;
  connection.filters.add(filter);
  return true;
}

/** aedes takes in MQTT 3.1 too; it answers an unknown version as the norm asks [MQTT-3.1.2-2]. */
function disableUnsupported(packet: ConnectPacket): void {
  if (packet.protocolVersion !== 4) Reflect.set(packet, "protocolVersion", unacceptableVersion);
}

function admit(
  state: AedesState,
  client: Client,
  username: string | undefined,
  password: Uint8Array | undefined,
): ReturnType<typeof refuse> | undefined {
  const { conn } = client;
  const remoteAddress = "remoteAddress" in conn ? conn.remoteAddress : undefined;
  const info: ClientInfo = {
    clientId: client.id,
    ...(typeof username === "string" && { username }),
    ...(remoteAddress !== undefined && { remoteAddress }),
  };
  if (state.clients.size >= limits.connections && !state.clients.has(client.id)) {
    return refuse(serverUnavailable, "too many connections");
  }
  const answer = state.authorizer.connect(info, password ?? undefined);
  if (answer !== true) return refuse(notAuthorized, answer);
  state.connections.set(client, {
    info,
    closed: new AbortController(),
    filters: new Set(),
    heldPublishes: 0,
    heldBytes: 0,
    isClosing: false,
  });
  return undefined;
}

function refuse(returnCode: number, reason: string): Error & { returnCode: number } {
  return Object.assign(new Error(reason), { returnCode });
}

/** Null drops this one delivery. */
function forward(state: AedesState, client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
  if (client.closed) return null;
  if (isFromSession(packet)) return packet; // refusing would erase it from the session
  const waitingBytes = client.conn.writableLength;
  if (waitingBytes > limits.writeQueueBytes && !client.conn.destroyed) {
    state.slowClosed++;
    client.conn.destroy(new Error("the client does not read what it is sent"));
  }
  if (waitingBytes > (packet.qos === 0 ? limits.writeQueueBytesQos0 : limits.writeQueueBytes)) {
    state.dropped++;
    return null;
  }
  return needsCap(packet) ? capped(client, packet) : packet;
}

/** aedes looks only for a filter that equals the topic when it lowers the QoS, and not at all for QoS 0 and retained messages. */
function needsCap(packet: AedesPublishPacket): boolean {
  return packet.qos === 2 || (packet.qos === 1 && isRetainedDelivery(packet));
}

/** At most the highest QoS that the client asked for [MQTT-3.3.5-1]. */
function capped(client: Client, packet: AedesPublishPacket): AedesPublishPacket {
  let granted = 0;
  for (const { filter, qos } of subscriptionsOf(client)) {
    if (qos > granted && matchesFilter(filter, packet.topic)) granted = qos;
  }
  if (granted >= packet.qos) return packet;
  return { ...packet, qos: granted === 1 ? 1 : 0 };
}
