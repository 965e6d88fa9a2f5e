// Sessions, retained messages and unfinished handshakes of the aedes broker, in memory and bounded: the "persistence" that aedes asks for.
//
// What it does otherwise than aedes' own: queues drop their oldest message when full, acknowledgements find their message without a
// search, a subscription that was refused is not kept, `$` topics hide from wildcards offline too, a session that ends takes its queue
// along, and routing needs no turn of the event loop, so that messages of different QoS keep their order (`Settled`).
import { Readable } from "node:stream";
import { matchesFilter } from "#shared/mqtt/topic.ts";
import { TopicTree } from "#shared/mqtt/topic-tree.ts";
import type { Qos } from "#shared/system/bus.ts";
import { OutgoingQueue, queueCostOf, type QueuedPacket } from "./outgoing-queue.ts";

export interface SessionBounds {
  /** Sessions kept for clients that may return; the longest unused one that is offline makes room. */
  readonly sessionsMax: number;
  /** Per session, messages that are not acknowledged yet. */
  readonly queueMessagesMax: number;
  readonly queueBytesMax: number;
  /** Over all sessions. */
  readonly totalQueueBytesMax: number;
  readonly retainedMax: number;
  readonly retainedBytesMax: number;
  /** Filters of one session. */
  readonly subscriptionsMax: number;
}

/** As much of aedes' client as is needed here. */
interface SessionClient {
  readonly id: string;
  readonly clean?: boolean;
  readonly closed?: boolean;
}

interface Subscription {
  readonly topic: string;
  readonly qos: Qos;
}

interface PacketWithId {
  readonly messageId?: number | undefined;
}

interface Session {
  readonly clientId: string;
  readonly recipientsByFilter: Map<string, Recipient>;
  readonly queue: OutgoingQueue;
}

/** A subscription with the session that holds it. */
interface Recipient extends Subscription {
  readonly session: Session;
}

/** What already has its answer, in the shape of a promise: `then` runs at once. */
interface Settled<T> {
  // oxlint-disable-next-line unicorn/no-thenable -- aedes chains on it
  then(onValue: (value: T) => void): void;
}

/** Says whether the client may hold the filter. */
type MayHold = (client: SessionClient, filter: string) => boolean;

export class SessionMemory {
  readonly #bounds: SessionBounds;
  readonly #mayHold: MayHold;
  readonly #isConnected: (clientId: string) => boolean;
  /** In order of last use: the first is the longest unused. */
  readonly #sessions = new Map<string, Session>();
  readonly #filters = new TopicTree<Recipient>();
  readonly #retained = new Map<string, QueuedPacket>();
  /** QoS 2 messages taken in and not released yet, by client and packet identifier. */
  readonly #incoming = new Map<string, Set<number>>();
  #retainedBytes = 0;
  #queuedBytes = 0;
  #queuedMessages = 0;
  #dropped = 0;

  constructor(bounds: SessionBounds, mayHold: MayHold, isConnected: (clientId: string) => boolean) {
    this.#bounds = bounds;
    this.#mayHold = mayHold;
    this.#isConnected = isConnected;
  }

  get counts(): { sessions: number; retained: number; queuedMessages: number; queuedBytes: number; dropped: number } {
    return {
      sessions: this.#sessions.size,
      retained: this.#retained.size,
      queuedMessages: this.#queuedMessages,
      queuedBytes: this.#queuedBytes,
      dropped: this.#dropped,
    };
  }

  hasSubscriber(topic: string): boolean {
    return this.#filters.hasMatch(topic);
  }

  hasSubscriberBelow(prefix: string): boolean {
    return this.#filters.hasMatchBelow(prefix);
  }

  /** Whether this QoS 2 message of the client is already taken in [MQTT-4.3.3-2]. */
  hasIncoming(clientId: string, messageId: number): boolean {
    return this.#incoming.get(clientId)?.has(messageId) ?? false;
  }

  async setup(): Promise<void> {}

  // Retained messages

  storeRetained(packet: QueuedPacket): Settled<void> {
    const old = this.#retained.get(packet.topic);
    if (old !== undefined) {
      this.#retained.delete(packet.topic);
      this.#retainedBytes -= queueCostOf(old);
    }
    if (packet.payload.length > 0) {
      const fits =
        this.#retained.size < this.#bounds.retainedMax &&
        this.#retainedBytes + queueCostOf(packet) <= this.#bounds.retainedBytesMax;
      if (fits) {
        this.#retained.set(packet.topic, ownCopy(packet, packet.qos));
        this.#retainedBytes += queueCostOf(packet);
      } else this.#dropped++;
    }
    return settled(undefined);
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    return Readable.from(this.#retainedMatches(filters));
  }

  *#retainedMatches(filters: readonly string[]): Generator<QueuedPacket, void, void> {
    for (const filter of filters) {
      if (!/[+#]/.test(filter)) {
        const packet = this.#retained.get(filter);
        if (packet !== undefined) yield packet;
        continue;
      }
      for (const packet of this.#retained.values()) if (matchesFilter(filter, packet.topic)) yield packet;
    }
  }

  // Subscriptions of sessions that outlive their connection

  async addSubscriptions(client: SessionClient, subscriptions: readonly Subscription[]): Promise<void> {
    const session = this.#sessionOf(client.id);
    for (const { topic, qos } of subscriptions) {
      if (!this.#mayHold(client, topic)) continue; // aedes stores all of a packet as soon as one is granted
      const { recipientsByFilter } = session;
      const old = recipientsByFilter.get(topic);
      if (old !== undefined) this.#filters.remove(topic, old);
      else if (recipientsByFilter.size >= this.#bounds.subscriptionsMax) continue;
      const recipient: Recipient = { session, topic, qos };
      recipientsByFilter.set(topic, recipient);
      this.#filters.add(topic, recipient);
    }
  }

  async removeSubscriptions(client: SessionClient, filters: readonly string[]): Promise<void> {
    const session = this.#sessions.get(client.id);
    for (const filter of filters) {
      const recipient = session?.recipientsByFilter.get(filter);
      if (session === undefined || recipient === undefined) continue;
      session.recipientsByFilter.delete(filter);
      this.#filters.remove(filter, recipient);
    }
  }

  async subscriptionsByClient(client: SessionClient): Promise<Subscription[]> {
    const session = this.#sessions.get(client.id);
    if (session === undefined) return [];
    this.#sessions.delete(client.id);
    this.#sessions.set(client.id, session);
    return Array.from(session.recipientsByFilter.values(), ({ topic, qos }) => ({ topic, qos }));
  }

  async cleanSubscriptions(client: SessionClient): Promise<void> {
    this.#endSession(client.id); // [MQTT-3.1.2-6]
  }

  /** Who gets the message: one entry per session, at the highest QoS that it asked for [MQTT-3.3.5-1]. */
  subscriptionsByTopic(topic: string): Settled<Recipient[]> {
    const best = new Map<Session, Recipient>();
    for (const recipient of this.#filters.match(topic)) {
      if (recipient.qos > (best.get(recipient.session)?.qos ?? 0)) best.set(recipient.session, recipient);
    }
    return settled([...best.values()]);
  }

  // Messages to clients, until they acknowledge

  outgoingEnqueueCombi(recipients: readonly Recipient[], packet: QueuedPacket): Settled<void> {
    if (recipients.length > 0) {
      const copy = ownCopy(packet, packet.qos);
      for (const { session, qos } of recipients) {
        this.#enqueue(session, qos < copy.qos ? { ...copy, qos } : copy);
      }
    }
    return settled(undefined);
  }

  async outgoingUpdate(client: SessionClient, packet: QueuedPacket): Promise<void> {
    const queue = this.#sessions.get(client.id)?.queue;
    if (queue === undefined || packet.messageId === undefined) return;
    if (packet.brokerId === undefined) this.#account(queue, () => queue.release(packet.messageId));
    else queue.assignId(packet.brokerCounter, packet.messageId);
  }

  async outgoingClearMessageId(client: SessionClient, packet: PacketWithId): Promise<QueuedPacket | undefined> {
    const queue = this.#sessions.get(client.id)?.queue;
    return queue === undefined ? undefined : this.#account(queue, () => queue.acknowledge(packet.messageId));
  }

  outgoingStream(client: SessionClient): Readable {
    const packets = this.#sessions.get(client.id)?.queue.packets() ?? [];
    // What was sent before is marked as a repetition [MQTT-3.3.1-1].
    return Readable.from(packets.map((packet) => (packet.messageId === undefined ? packet : { ...packet, dup: true })));
  }

  // QoS 2 messages from clients, until they release them

  async incomingStorePacket(client: SessionClient, packet: PacketWithId): Promise<void> {
    if (client.closed === true && client.clean === true) throw new Error("the session has ended");
    if (packet.messageId === undefined) return;
    if (client.clean !== true) this.#sessionOf(client.id); // so that the bound on sessions bounds these, too
    const ids = this.#incoming.get(client.id) ?? new Set<number>();
    this.#incoming.set(client.id, ids.add(packet.messageId));
  }

  async incomingGetPacket(client: SessionClient, packet: PacketWithId): Promise<PacketWithId> {
    if (packet.messageId !== undefined && this.hasIncoming(client.id, packet.messageId)) return packet;
    throw new Error("no such packet");
  }

  async incomingDelPacket(client: SessionClient, packet: PacketWithId): Promise<void> {
    const ids = this.#incoming.get(client.id);
    if (packet.messageId === undefined || ids?.delete(packet.messageId) !== true) throw new Error("no such packet");
    if (ids.size === 0) this.#incoming.delete(client.id);
  }

  async cleanIncoming(client: SessionClient): Promise<void> {
    this.#incoming.delete(client.id);
  }

  // Wills live with their connection: nothing to keep for a broker that forgets everything when it ends

  async putWill(): Promise<void> {}

  async delWill(): Promise<void> {}

  streamWill(): Readable {
    return Readable.from([]);
  }

  #sessionOf(clientId: string): Session {
    const known = this.#sessions.get(clientId);
    if (known !== undefined) return known;
    if (this.#sessions.size >= this.#bounds.sessionsMax) this.#endLongestUnused();
    const session: Session = { clientId, recipientsByFilter: new Map(), queue: new OutgoingQueue() };
    this.#sessions.set(clientId, session);
    return session;
  }

  #endLongestUnused(): void {
    for (const clientId of this.#sessions.keys()) {
      if (this.#isConnected(clientId)) continue;
      this.#endSession(clientId);
      return;
    }
  }

  #endSession(clientId: string): void {
    const session = this.#sessions.get(clientId);
    if (session === undefined) return;
    for (const recipient of session.recipientsByFilter.values()) this.#filters.remove(recipient.topic, recipient);
    this.#account(session.queue, () => session.queue.clear());
    this.#sessions.delete(clientId);
    this.#incoming.delete(clientId);
  }

  #enqueue(session: Session, packet: QueuedPacket): void {
    const { queue } = session;
    this.#account(queue, () => {
      queue.push(packet);
      const { queueMessagesMax, queueBytesMax, totalQueueBytesMax } = this.#bounds;
      const othersBytes = this.#queuedBytes;
      while (
        queue.size > 0 &&
        (queue.size > queueMessagesMax || queue.bytes > queueBytesMax || othersBytes + queue.bytes > totalQueueBytesMax)
      ) {
        queue.dropOldest();
        this.#dropped++;
      }
    });
  }

  /** Runs `change` on `queue` and keeps the totals right; meanwhile they count only the other queues. */
  #account<T>(queue: OutgoingQueue, change: () => T): T {
    this.#queuedBytes -= queue.bytes;
    this.#queuedMessages -= queue.size;
    const result = change();
    this.#queuedBytes += queue.bytes;
    this.#queuedMessages += queue.size;
    return result;
  }
}

function settled<T>(value: T): Settled<T> {
  // oxlint-disable-next-line unicorn/no-thenable -- see Settled
  return { then: (onValue) => onValue(value) };
}

/** The payload of a packet aliases what its connection read last: whoever keeps it keeps a copy. */
function ownCopy(packet: QueuedPacket, qos: Qos): QueuedPacket {
  return {
    cmd: "publish",
    brokerId: packet.brokerId,
    brokerCounter: packet.brokerCounter,
    topic: packet.topic,
    payload: Buffer.from(packet.payload),
    qos,
    retain: packet.retain,
    dup: false,
  };
}
