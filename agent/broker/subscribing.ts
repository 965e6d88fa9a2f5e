// SUBSCRIBE and UNSUBSCRIBE. What a stored session subscribes to is confirmed when it is stored.
import { limits } from "#shared/limits.ts";
import { protocolError } from "#shared/mqtt/packet-reader.ts";
import { reason, subscriptionFailed } from "#shared/mqtt/reason-codes.ts";
import {
  encodeSuback,
  encodeUnsuback,
  readSubscribe,
  readUnsubscribe,
  type SubscriptionRequest,
} from "#shared/mqtt/subscribe-packet.ts";
import { isTopicFilter } from "#shared/mqtt/topic.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Authorizer } from "./broker.ts";
import type { Connection } from "./connection.ts";
import type { Delivery } from "./delivery.ts";
import type { Publication } from "./publication.ts";
import type { RetainedMessages } from "./retained-messages.ts";
import type { Router } from "./router.ts";
import type { Session } from "./session.ts";
import type { Sessions } from "./sessions.ts";
import { sharedFilter, Subscription } from "./subscription.ts";

export interface SubscribingDeps {
  readonly clock: Clock;
  readonly authorizer: Authorizer;
  readonly router: Router;
  readonly sessions: Sessions;
  readonly retained: RetainedMessages;
  readonly delivery: Delivery;
  /** What a subscription below `$SYS` gets at once. */
  systemMessages(filter: string): Iterable<Publication>;
}

interface Granted {
  readonly code: number;
  /** Its retained messages are wanted. */
  readonly wantsRetained?: Subscription;
}

export class Subscribing {
  readonly #deps: SubscribingDeps;

  constructor(deps: SubscribingDeps) {
    this.#deps = deps;
  }

  subscribe(connection: Connection, session: Session, bytes: Uint8Array, at: number, end: number): void {
    const { level } = connection;
    const { packetId, subscriptionId, requests } = readSubscribe(bytes, at, end, level);
    const granted = requests.map((request) => this.#grant(connection, session, request, subscriptionId));
    const codes = granted.map(({ code }) => (code >= subscriptionFailed && level !== 5 ? subscriptionFailed : code));
    this.#whenStored(session, connection, end - at, (failure) => {
      if (failure) connection.end(reason.serverUnavailable, "the subscription could not be stored");
      else {
        connection.send(encodeSuback(level, packetId, codes, {}));
        this.#sendRetained(session, granted);
      }
    });
  }

  unsubscribe(connection: Connection, session: Session, bytes: Uint8Array, at: number, end: number): void {
    const { level } = connection;
    const { packetId, filters } = readUnsubscribe(bytes, at, end, level);
    const codes = filters.map((filter) => {
      if (!isTopicFilter(filter)) return invalidFilter(connection).code;
      return this.#deps.sessions.unsubscribe(session, filter) ? reason.success : reason.noSubscriptionExisted;
    });
    this.#whenStored(session, connection, end - at, (failure) => {
      if (failure) connection.end(reason.serverUnavailable, "the end of the subscription could not be stored");
      else connection.send(encodeUnsuback(level, packetId, codes));
    });
  }

  #grant(connection: Connection, session: Session, request: SubscriptionRequest, subscriptionId: number): Granted {
    const { filter, qos, noLocal, retainHandling } = request;
    const shared = sharedFilter(filter);
    if (shared === "invalid" || !isTopicFilter(filter)) return invalidFilter(connection);
    if (shared !== undefined && noLocal) throw protocolError("a shared subscription cannot be no-local"); // [MQTT-3.8.3-4]
    const { authorizer, router, sessions, delivery } = this.#deps;
    if (!authorizer.subscribe(connection.info, shared?.filter ?? filter)) return { code: reason.notAuthorized };
    const isNew = !session.subscriptions.has(filter);
    if (isNew && session.subscriptions.size >= limits.subscriptionsPerClient) return { code: reason.quotaExceeded };
    const subscription = new Subscription(session, { ...request, subscriptionId }, router.groupOf(filter));
    sessions.subscribe(subscription);
    if (session.isDurable) {
      const stored = { ...request, subscriptionId };
      delivery.batch.change({ type: "subscribe", session: session.storeId, subscription: stored });
    }
    const wantsRetained = shared === undefined && (retainHandling === 0 || (retainHandling === 1 && isNew));
    return wantsRetained ? { code: qos, wantsRetained: subscription } : { code: qos };
  }

  /** `bytes`: of the packet that waits. */
  #whenStored(session: Session, connection: Connection, bytes: number, done: (failure: boolean) => void): void {
    if (!session.isDurable) {
      done(false);
      return;
    }
    connection.hold(bytes);
    this.#deps.delivery.batch.wait({
      stored: (error) => {
        if (connection.isOpen) done(error !== null);
        connection.release(bytes);
      },
    });
    connection.pauseIfFull();
  }

  #sendRetained(session: Session, granted: readonly Granted[]): void {
    const { retained, clock, delivery } = this.#deps;
    for (const { wantsRetained: subscription } of granted) {
      if (subscription === undefined) continue;
      for (const message of this.#deps.systemMessages(subscription.filter)) delivery.retained(subscription, message);
      if (retained.size === 0) continue;
      const messages = retained.matching(subscription.filter, () => clock.now());
      session.dropBackfill(subscription.filter); // the new one begins from the start
      session.backfills.push({ messages, subscription });
    }
    delivery.pump(session);
  }
}

/** MQTT 5 has a code for it; an older client broke the protocol [MQTT-4.8.0-1]. */
function invalidFilter({ isLevel5 }: Connection): Granted {
  if (!isLevel5) throw protocolError("that is no topic filter");
  return { code: reason.topicFilterInvalid };
}
