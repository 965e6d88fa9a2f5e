// SUBSCRIBE and UNSUBSCRIBE. What a stored session subscribes to is confirmed when it is stored.
import type { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import { protocolError } from "#shared/mqtt/packet-reader.ts";
import type { Properties } from "#shared/mqtt/properties.ts";
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
import type { Backfill, Session } from "./session.ts";
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
  /** Why not. */
  readonly text?: string;
  /** Its retained messages are wanted. */
  readonly wantsRetained?: Subscription;
}

const noFilter = "that is no topic filter";
const notAllowed: Granted = { code: reason.notAuthorized, text: "this client may not subscribe to that" };
const tooMany: Granted = { code: reason.quotaExceeded, text: "there are too many subscriptions" };

export class Subscribing {
  readonly #deps: SubscribingDeps;

  constructor(deps: SubscribingDeps) {
    this.#deps = deps;
  }

  subscribe(connection: Connection, session: Session, bytes: Uint8Array, at: number, end: number): void {
    const { level } = connection;
    const { packetId, subscriptionId, requests } = readSubscribe(bytes, at, end, level);
    const granted = requests.map((request, index) =>
      index < limits.subscriptionsPerClient ? this.#grant(connection, session, request, subscriptionId) : tooMany,
    );
    const codes = granted.map(({ code }) => (code >= subscriptionFailed && level !== 5 ? subscriptionFailed : code));
    const problem = granted.find(({ text }) => text !== undefined)?.text;
    const backfills = this.#backfillsOf(granted);
    const stored = backfills.filter(({ subscription }) => session.isDurable && subscription.qos > 0);
    const answer = (failure: boolean): void => {
      if (failure) connection.end(reason.unspecified, "the subscription could not be stored");
      else {
        confirm(connection, problem, (properties) => encodeSuback(level, packetId, codes, properties));
        this.#sendRetained(
          session,
          granted,
          backfills.filter((backfill) => !stored.includes(backfill)),
        );
      }
    };
    this.#whenStored(session, connection, end - at, stored, answer);
  }

  unsubscribe(connection: Connection, session: Session, bytes: Uint8Array, at: number, end: number): void {
    const { level } = connection;
    const { packetId, filters } = readUnsubscribe(bytes, at, end, level);
    const codes = filters.map((filter) => {
      if (!isTopicFilter(filter)) return invalidFilter(connection).code;
      return this.#deps.sessions.unsubscribe(session, filter) ? reason.success : reason.noSubscriptionExisted;
    });
    const problem = codes.includes(reason.topicFilterInvalid) ? noFilter : undefined;
    this.#whenStored(session, connection, end - at, [], (failure) => {
      if (failure) connection.end(reason.unspecified, "the end of the subscription could not be stored");
      else confirm(connection, problem, (properties) => encodeUnsuback(level, packetId, codes, properties));
    });
  }

  #grant(connection: Connection, session: Session, request: SubscriptionRequest, subscriptionId: number): Granted {
    const { filter, qos, noLocal, retainHandling } = request;
    const shared = sharedFilter(filter);
    if (shared === "invalid" || !isTopicFilter(filter)) return invalidFilter(connection);
    if (shared !== undefined && noLocal) throw protocolError("a shared subscription cannot be no-local"); // [MQTT-3.8.3-4]
    const { authorizer, router, sessions, delivery } = this.#deps;
    if (!authorizer.subscribe(connection.info, shared?.filter ?? filter)) return notAllowed;
    const isNew = !session.subscriptions.has(filter);
    if (isNew && (session.subscriptions.size >= limits.subscriptionsPerClient || router.isFull)) return tooMany;
    const subscription = new Subscription(session, { ...request, subscriptionId }, router.groupOf(filter));
    sessions.subscribe(subscription);
    if (session.isDurable) {
      const stored = { ...request, subscriptionId };
      delivery.batch.change({ type: "subscribe", session: session.storeId, subscription: stored });
    }
    const wantsRetained = shared === undefined && (retainHandling === 0 || (retainHandling === 1 && isNew));
    return wantsRetained ? { code: qos, wantsRetained: subscription } : { code: qos };
  }

  /** `bytes`: of the packet that waits. `backfills`: stored before it is answered. */
  #whenStored(
    session: Session,
    connection: Connection,
    bytes: number,
    backfills: readonly Backfill[],
    done: (failure: boolean) => void,
  ): void {
    if (!session.isDurable) {
      done(false);
      return;
    }
    const { delivery } = this.#deps;
    connection.hold(bytes);
    const finish = (error: FogbankError | null): void => {
      if (connection.isOpen) done(error !== null);
      connection.release(bytes);
    };
    // Begun now, they are part of the commit that holds the subscription.
    if (backfills.length > 0) delivery.backfillStored(backfills, finish);
    else delivery.batch.wait({ stored: finish });
    connection.pauseIfFull();
  }

  #backfillsOf(granted: readonly Granted[]): readonly Backfill[] {
    const { retained, clock } = this.#deps;
    if (retained.size === 0) return [];
    return granted.flatMap(({ wantsRetained: subscription }) => {
      if (subscription === undefined) return [];
      return [{ messages: retained.matching(subscription.filter, () => clock.now()), subscription }];
    });
  }

  #sendRetained(session: Session, granted: readonly Granted[], backfills: readonly Backfill[]): void {
    const { delivery } = this.#deps;
    for (const { wantsRetained: subscription } of granted) {
      if (subscription === undefined) continue;
      for (const message of this.#deps.systemMessages(subscription.filter)) delivery.retained(subscription, message);
    }
    for (const backfill of backfills) {
      session.dropBackfill(backfill.subscription.filter); // the new one begins from the start
      session.backfills.push(backfill);
    }
    delivery.pump(session);
  }
}

/** The client waits for it: when it is too large for the client, the connection ends. */
function confirm(
  connection: Connection,
  problem: string | undefined,
  encode: (properties: Properties) => Uint8Array,
): void {
  if (!connection.sendProblem(problem, encode))
    connection.end(reason.packetTooLarge, "an answer is larger than this client takes");
}

/** MQTT 5 has a code for it; an older client broke the protocol [MQTT-4.8.0-1]. */
function invalidFilter({ isLevel5 }: Connection): Granted {
  if (!isLevel5) throw protocolError("that is no topic filter");
  return { code: reason.topicFilterInvalid, text: noFilter };
}
