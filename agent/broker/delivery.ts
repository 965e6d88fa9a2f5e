// From a message to the connections of those who subscribed: at once where there is room, else through the session's queue in memory
// or, where the session outlives its connection, through the store.
//
//   route --> QoS 0 ------------------------------> connection
//         --> session of this connection --room---> connection
//                                        --else---> queue in memory (oldest dropped) --pump--> connection
//         --> stored session --> batch --commit--> queue in memory | read again later --pump--> connection
import type { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { Qos, StoreWaiter } from "#shared/system/bus.ts";
import type { DroppedRange, QueuedMessage, SessionProgress, SessionStore } from "#shared/system/session-store.ts";
import type { Connection } from "./connection.ts";
import type { BrokerCounts } from "./counts.ts";
import { QueuedDelivery } from "./delivery-queue.ts";
import { DurableBatch } from "./durable-batch.ts";
import { PublishEncoder, type OwnProperties } from "./publish-encoder.ts";
import { publicationOf, type Publication } from "./publication.ts";
import type { BrokerTopic, Route, Router } from "./router.ts";
import { sendMaxOf, type Backfill, type Session } from "./session.ts";
import type { ShareGroup, Subscription } from "./subscription.ts";

/** Read from the store at a time, and kept in memory at most, for one session. */
const readBytes = 256 * 1024;
const readBytesMin = 16 * 1024;

export interface DeliveryDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly router: Router;
  readonly store: SessionStore;
  readonly counts: BrokerCounts;
  /** A session's full queue has lost messages. */
  onLoss(session: Session, messages: number): void;
}

/** Waits for what is stored of a message. */
export interface Holder extends StoreWaiter {
  hold(): void;
}

/** So many numbers before sending has to wait for stored progress it is asked for: then it seldom has to. */
const progressAhead = limits.inflightMessages / 2;

const noIds: readonly number[] = [];

export class Delivery {
  readonly #deps: DeliveryDeps;
  readonly batch: DurableBatch;
  readonly #encoder = new PublishEncoder();
  readonly #sessionsById = new Map<number, Session>();
  #memoryBytes = 0;
  #memoryMessages = 0;
  /** Of stored sessions, what is in memory of it. */
  #loadedBytes = 0;

  constructor(deps: DeliveryDeps) {
    this.#deps = deps;
    this.batch = new DurableBatch(deps.store, {
      stored: (session, number, deliveries) => this.#stored(session, number, deliveries),
      progressed: (session, progress) => this.#progressed(session, progress),
      dropped: (range) => this.#dropped(range),
    });
  }

  /** Messages that wait, in memory and stored. */
  get queuedMessages(): number {
    return this.#memoryMessages + this.batch.queuedMessages;
  }

  get queuedBytes(): number {
    return this.#memoryBytes + this.batch.queuedBytes;
  }

  /** Whether the message would make a queue in memory grow though all of them together are at the node's bound. */
  isTooMuch(publication: Publication, topic: BrokerTopic): boolean {
    if (publication.qos === 0 || this.#memoryBytes < limits.sessionQueuesBytes) return false;
    const { routes, groups } = this.#deps.router.routesOf(topic);
    const grows = ({ session, qos }: { readonly session: Session; readonly qos: Qos }): boolean =>
      qos > 0 && !session.isDurable && (session.queue.size > 0 || !session.hasRoom());
    return routes.some(grows) || groups.some(({ members }) => members.every(grows));
  }

  /**
   * Puts what is retained for new subscriptions of a stored session into its queue, a bounded number with each commit; then calls
   * `done`, with the error when it could not be stored.
   */
  backfillStored(backfills: readonly Backfill[], done: (error: FogbankError | null) => void): void {
    let left = limits.segmentItems;
    for (const { subscription, messages } of backfills) {
      const { session, filter } = subscription;
      for (let next = messages.next(); next.done !== true; next = messages.next()) {
        if (session.hasEnded || session.subscriptions.get(filter) !== subscription) break; // not wanted any more
        if (next.value !== undefined) this.retained(subscription, next.value);
        if (next.value !== undefined && --left > 0) continue;
        this.batch.waitForMessages({
          stored: (error) => (error === null ? this.backfillStored(backfills, done) : done(error)),
        });
        return;
      }
    }
    this.batch.waitForMessages({ stored: done });
  }

  /** A stored session begins or is loaded; see `forget`. */
  know(session: Session): void {
    if (session.isDurable) this.#sessionsById.set(session.storeId, session);
  }

  forget(session: Session): void {
    this.#sessionsById.delete(session.storeId);
  }

  /** Gives the message to everybody who subscribed. `holder` waits when a part of that is to be stored first. */
  route(
    publication: Publication,
    topic: BrokerTopic,
    publisher: Session | undefined,
    holder: Holder | undefined,
  ): void {
    const { routes, groups } = this.#deps.router.routesOf(topic);
    if (routes.length === 0 && groups.length === 0) return;
    this.#encoder.begin(publication, this.#deps.clock.now());
    let isStored = false;
    for (const route of routes) if (this.#toRoute(route, publication, publisher)) isStored = true;
    for (const group of groups) if (this.#toGroup(group, publication, undefined)) isStored = true;
    if (isStored && holder !== undefined) {
      holder.hold();
      this.batch.waitForMessages(holder);
    }
  }

  /** A retained message for a new subscription. */
  retained(subscription: Subscription, publication: Publication): void {
    const { session, subscriptionId } = subscription;
    this.#encoder.begin(publication, this.#deps.clock.now());
    const qos = lower(subscription.qos, publication.qos);
    this.#toSession(session, publication, qos, true, subscriptionId > 0 ? [subscriptionId] : noIds, undefined);
  }

  /** Answers whether it goes into the store. */
  #toRoute(route: Route, publication: Publication, publisher: Session | undefined): boolean {
    const { session } = route;
    const retain = publication.retain && route.retainAsPublished;
    if (route.hasNoLocal && publisher === session) return this.#toOwnPublisher(route, publication);
    const qos = lower(route.qos, publication.qos);
    return this.#toSession(session, publication, qos, retain, route.subscriptionIds, undefined);
  }

  /** Only by the subscriptions that do not exclude what the client publishes itself [MQTT-3.8.3-3]. */
  #toOwnPublisher({ session, subscriptions }: Route, publication: Publication): boolean {
    const others = subscriptions.filter(({ noLocal }) => !noLocal);
    if (others.length === 0) return false;
    let granted: Qos = 0;
    for (const { qos } of others) if (qos > granted) granted = qos;
    const retain = publication.retain && others.some(({ retainAsPublished }) => retainAsPublished);
    const ids = others.flatMap(({ subscriptionId }) => (subscriptionId > 0 ? [subscriptionId] : []));
    return this.#toSession(session, publication, lower(granted, publication.qos), retain, ids, undefined);
  }

  #toGroup(group: ShareGroup, publication: Publication, except: Session | undefined): boolean {
    const member = group.choose(except);
    if (member === undefined) return false;
    const { session, subscriptionId } = member;
    const retain = publication.retain && member.retainAsPublished;
    const ids = subscriptionId > 0 ? [subscriptionId] : noIds;
    return this.#toSession(session, publication, lower(member.qos, publication.qos), retain, ids, group);
  }

  #toSession(
    session: Session,
    publication: Publication,
    qos: Qos,
    retain: boolean,
    subscriptionIds: readonly number[],
    group: ShareGroup | undefined,
  ): boolean {
    if (qos === 0) {
      if (session.connection?.isOpen === true) this.#sendQos0(session.connection, publication, retain, subscriptionIds);
      return false;
    }
    if (session.isDurable) {
      this.batch.enqueue(session, publication, qos, retain, subscriptionIds, group?.key);
      return true;
    }
    const { connection } = session;
    if (connection === undefined) return false;
    if (session.queue.size === 0 && session.hasRoom()) {
      this.#send(connection, session, publication, qos, retain, subscriptionIds, group, 0);
    } else this.#enqueue(session, new QueuedDelivery(0, publication.detached(), qos, retain, subscriptionIds, group));
    return false;
  }

  #sendQos0(
    connection: Connection,
    publication: Publication,
    retain: boolean,
    subscriptionIds: readonly number[],
  ): boolean {
    const { counts } = this.#deps;
    if (connection.outlet.pendingBytes > limits.writeQueueBytesQos0 || connection.outlet.isCrowded) {
      counts.droppedSlow++;
      return false;
    }
    const own = ownProperties(connection, publication, subscriptionIds);
    if (connection.packetBytesMax < this.#encoder.sizeFor(connection.isLevel5, 0, own)) {
      counts.droppedTooLarge++;
      return false;
    }
    this.#encoder.put(connection.outlet, connection.isLevel5, 0, 0, false, retain, own);
    if (own !== undefined) keepAlias(connection, publication, own);
    counts.publishesOut++;
    return true;
  }

  /** `number`: of a message that is sent again; 0: the next one. False: the client does not take packets of that size. */
  #send(
    connection: Connection,
    session: Session,
    publication: Publication,
    qos: 1 | 2,
    retain: boolean,
    subscriptionIds: readonly number[],
    group: ShareGroup | undefined,
    number: number,
  ): boolean {
    const { counts } = this.#deps;
    const own = ownProperties(connection, publication, subscriptionIds);
    const size = this.#encoder.sizeFor(connection.isLevel5, qos, own);
    if (connection.packetBytesMax < size) {
      counts.droppedTooLarge++; // [MQTT-3.1.2-25]
      return false;
    }
    const { window } = session;
    const packetId = number === 0 ? window.send(qos, size) : window.resend(number, qos, size);
    this.#encoder.put(connection.outlet, connection.isLevel5, qos, packetId, number > 0, retain, own);
    if (own !== undefined) keepAlias(connection, publication, own);
    counts.publishesOut++;
    if (group !== undefined)
      session.sharedInFlight.set(
        packetId,
        new QueuedDelivery(0, publication.detached(), qos, retain, subscriptionIds, group),
      );
    return true;
  }

  /** Into the queue of a session that is not stored; the oldest make room. */
  #enqueue(session: Session, item: QueuedDelivery): void {
    const { queue } = session;
    this.#account(session, () => queue.push(item));
    let lost = 0;
    while (
      queue.size > 1 &&
      (queue.size > limits.sessionQueueMessages ||
        queue.bytes > limits.sessionQueueBytes ||
        this.#memoryBytes > limits.sessionQueuesBytes)
    ) {
      this.#account(session, () => void queue.shift());
      lost++;
    }
    if (lost === 0) return;
    this.#deps.counts.droppedQueueFull += lost;
    this.#deps.onLoss(session, lost);
  }

  #account(session: Session, change: () => void): void {
    const { queue } = session;
    const { bytes, size } = queue;
    change();
    if (session.isDurable) this.#loadedBytes += queue.bytes - bytes;
    else {
      this.#memoryBytes += queue.bytes - bytes;
      this.#memoryMessages += queue.size - size;
    }
  }

  /** Sends what waits, as far as there is room. */
  pump(session: Session): void {
    const { connection } = session;
    if (connection === undefined || !connection.isOpen) return;
    for (let item = session.queue.first; item !== undefined; item = session.queue.first) {
      if (!session.hasRoom()) return;
      if (session.isDurable && !this.#isNext(session, item)) return;
      this.#account(session, () => void session.queue.shift());
      if (item.number > 0 && item.number <= session.handled) continue; // done with already
      this.#sendQueued(connection, session, item);
    }
    if (session.backfills.length > 0) this.#backfill(connection, session);
    if (session.isDurable && session.loaded < session.committed) this.#read(session);
  }

  /** Moves the window up to the item; numbers in between are not there any more. False: the window or what is stored of it must move on first. */
  #isNext(session: Session, item: QueuedDelivery): boolean {
    const { window } = session;
    for (let number = session.handled + 1; number < item.number && number < window.next; number++)
      window.abandon(number);
    if (item.number >= window.next && !window.skipTo(item.number)) return false;
    if (item.number > session.sendMax - progressAhead) this.#storeProgress(session);
    return item.number <= session.sendMax; // if not it goes on in #progressed, or when the window has moved
  }

  #storeProgress(session: Session): void {
    const { cursor, next } = session.window;
    if (sendMaxOf({ cursor, sent: next - 1 }) <= session.sendMax) return;
    this.batch.moved(session);
    this.batch.wake();
  }

  #sendQueued(connection: Connection, session: Session, item: QueuedDelivery): void {
    const { window } = session;
    const { number, publication, qos, retain, subscriptionIds, group } = item;
    const isRepeated = number > 0 && number < window.next;
    if (number > 0) session.handled = number;
    if (isRepeated && !window.isUnsure(number)) return; // released or done with
    const nowMs = this.#deps.clock.now();
    this.#encoder.begin(publication, nowMs);
    // What was begun is brought to its end [MQTT-4.3.3-7].
    const isBegun = isRepeated && number <= session.certainlySent;
    const hasExpired = !isBegun && publication.expiresAtMs > 0 && publication.expiresAtMs <= nowMs;
    if (hasExpired) this.#deps.counts.droppedExpired++;
    const isSent =
      !hasExpired &&
      this.#send(connection, session, publication, qos, retain, subscriptionIds, group, isRepeated ? number : 0);
    if (isSent) session.certainlySent = Math.max(session.certainlySent, number);
    if (isSent || number === 0) return;
    if (isRepeated) window.abandon(number);
    else window.skip();
    this.batch.moved(session);
  }

  /** Retained messages for new subscriptions, when nothing else waits. */
  #backfill(connection: Connection, session: Session): void {
    for (let first = session.backfills[0]; first !== undefined; first = session.backfills[0]) {
      const { subscription, messages } = first;
      while (connection.outlet.pendingBytes < limits.writeQueueBytes && session.queue.size === 0) {
        if (session.subscriptions.get(subscription.filter) !== subscription) break; // not wanted any more
        if (subscription.qos > 0 && !session.hasRoom()) return;
        const next = messages.next();
        if (next.done === true) break;
        if (next.value !== undefined) this.retained(subscription, next.value);
        else return void setImmediate(() => this.pump(session));
      }
      if (connection.outlet.pendingBytes >= limits.writeQueueBytes || session.queue.size > 0) return;
      session.backfills.shift();
    }
  }

  #stored(session: Session, number: number, deliveries: readonly QueuedDelivery[]): void {
    session.committed = number;
    if (session.hasEnded || session.connection === undefined) return;
    for (const item of deliveries) {
      if (item.number !== session.loaded + 1 || session.queue.bytes > readBytes || session.isReading) break;
      this.#account(session, () => session.queue.push(item));
      session.loaded = item.number;
    }
    this.pump(session);
  }

  /** Its connection begins or has ended: what is stored is read again. */
  rewind(session: Session): void {
    this.#account(session, () => session.rewind());
  }

  #progressed(session: Session, progress: SessionProgress): void {
    session.sendMax = sendMaxOf(progress);
    if (session.queue.size > 0) this.pump(session);
  }

  #dropped({ session: id, first, last, messages }: DroppedRange): void {
    const session = this.#sessionsById.get(id);
    this.#deps.counts.droppedQueueFull += messages;
    if (session === undefined) return;
    // What of it is in memory is read again: the store knows what is left.
    if (session.loaded >= first && session.handled < last) {
      this.#account(session, () => void session.queue.drain());
      session.loaded = session.handled;
      session.readToken++;
      session.isReading = false;
    }
    this.#deps.onLoss(session, messages);
  }

  #read(session: Session): void {
    if (session.isReading || session.queue.size > 0) return;
    session.isReading = true;
    const token = session.readToken;
    const upTo = session.committed;
    // Many clients that read slowly get little each.
    const bytes = Math.min(readBytes, Math.max(readBytesMin, limits.sessionQueuesBytes - this.#loadedBytes));
    this.#deps.store.queue(session.storeId, session.loaded + 1, bytes).then(
      (messages) => {
        if (token === session.readToken) this.#loaded(session, messages, upTo);
      },
      (error: unknown) => {
        this.#deps.log.error({ clientId: session.clientId, error: String(error) }, "queued messages cannot be read");
        session.connection?.close();
      },
    );
  }

  #loaded(session: Session, messages: readonly QueuedMessage[], upTo: number): void {
    session.isReading = false;
    for (const { number, message, qos, retain, subscriptionIds } of messages) {
      const item = new QueuedDelivery(number, publicationOf(message, retain), qos, retain, subscriptionIds, undefined);
      this.#account(session, () => session.queue.push(item));
      session.loaded = number;
    }
    if (messages.length === 0) {
      session.loaded = Math.max(session.loaded, upTo);
      for (let number = session.handled + 1; number < session.window.next; number++) session.window.abandon(number);
      session.handled = Math.max(session.handled, session.loaded);
    }
    this.pump(session);
  }

  /**
   * A session that is not stored has ended: what it had taken for its group goes to the others, unless it may
   * have it for good: QoS 2 on its way [MQTT-4.8.2-5].
   */
  redistribute(session: Session): void {
    const items = [...session.sharedInFlight.values()].filter(({ qos }) => qos === 1);
    session.sharedInFlight.clear();
    this.#account(session, () => void items.push(...session.queue.drain()));
    for (const { publication, group } of items) {
      if (group === undefined) continue;
      this.#encoder.begin(publication, this.#deps.clock.now());
      this.#toGroup(group, publication, session);
    }
  }

  /** What waits for a stored session that has ended goes to another member of its group. Answers whether that is to be stored. */
  handOn({ message, retain, group: key }: QueuedMessage, from: Session): boolean {
    const group = key === undefined ? undefined : this.#deps.router.groupOf(key);
    if (group === undefined) return false;
    const nowMs = this.#deps.clock.now();
    if (message.expiresAtMs > 0 && message.expiresAtMs <= nowMs) {
      this.#deps.counts.droppedExpired++;
      return false;
    }
    const publication = publicationOf(message, retain);
    this.#encoder.begin(publication, nowMs);
    return this.#toGroup(group, publication, from);
  }
}

function lower(a: Qos, b: Qos): Qos {
  return a < b ? a : b;
}

function ownProperties(
  connection: Connection,
  publication: Publication,
  subscriptionIds: readonly number[],
): OwnProperties | undefined {
  if (!connection.isLevel5) return undefined;
  if (connection.aliases === undefined && subscriptionIds.length === 0) return undefined;
  const alias = connection.aliases?.aliasOf(publication.topic);
  return {
    subscriptionIds,
    topicAlias: alias?.alias ?? 0,
    omitTopic: alias !== undefined && !alias.isNew,
  };
}

/** The client has got the topic with its alias. */
function keepAlias({ aliases }: Connection, { topic }: Publication, own: OwnProperties): void {
  if (own.topicAlias > 0 && !own.omitTopic) aliases?.keep(topic);
}
