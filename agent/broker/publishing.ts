// A publish of a client: who sends it and where, the interceptors' verdict, routing, and its answer. Wills and the node's own
// messages take the same way.
//
//   PUBLISH --> topic, rights --> interceptors --pass--> retained, routing --(commits)--> PUBACK | PUBREC
import type { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import { acknowledgement } from "#shared/mqtt/acknowledgement-packet.ts";
import type { Will } from "#shared/mqtt/connect-packet.ts";
import { protocolError } from "#shared/mqtt/packet-reader.ts";
import { MqttProtocolError } from "#shared/mqtt/protocol-error.ts";
import { PublishView } from "#shared/mqtt/publish-packet.ts";
import { reason } from "#shared/mqtt/reason-codes.ts";
import type { InboundPublish, Message, Verdict } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { Authorizer, ClientInfo } from "./broker.ts";
import type { Connection } from "./connection.ts";
import type { BrokerCounts } from "./counts.ts";
import type { Delivery, Holder } from "./delivery.ts";
import type { InProcess, Inside } from "./in-process.ts";
import { PendingAcknowledgement, type Outcome } from "./pending-acknowledgement.ts";
import { Publication, publicationOf } from "./publication.ts";
import type { RetainedMessages } from "./retained-messages.ts";
import type { BrokerTopic, Router } from "./router.ts";
import type { Session } from "./session.ts";

export interface PublishingDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly authorizer: Authorizer;
  readonly inProcess: InProcess;
  readonly router: Router;
  readonly retained: RetainedMessages;
  readonly delivery: Delivery;
  readonly counts: BrokerCounts;
}

type Refused = Extract<Outcome, { type: "refused" }>;

const notAllowed: Refused = {
  type: "refused",
  reasonCode: reason.notAuthorized,
  reason: "this client may not publish on that topic",
  now: true,
};
const topicRefused: Refused = {
  type: "refused",
  reasonCode: reason.topicNameInvalid,
  reason: `a topic name has at most ${limits.topicBytes} bytes and ${limits.topicLevels} levels`,
  now: true,
};
const queuesFull: Refused = {
  type: "refused",
  reasonCode: reason.quotaExceeded,
  reason: "too much waits for slow subscribers already: try again later",
  now: false,
};
const retainedFull: Refused = {
  type: "refused",
  reasonCode: reason.quotaExceeded,
  reason: "there is no room for another retained message",
  now: false,
};
const rolesKept = 8;
const pass: Verdict = { type: "pass" };

export class Publishing {
  readonly #deps: PublishingDeps;
  readonly #view = new PublishView();

  constructor(deps: PublishingDeps) {
    this.#deps = deps;
  }

  /** A PUBLISH packet. Throws MqttProtocolError. */
  receive(
    connection: Connection,
    session: Session,
    bytes: Uint8Array,
    firstByte: number,
    at: number,
    end: number,
  ): void {
    const view = this.#view;
    view.read(bytes, firstByte, at, end, connection.isLevel5);
    const topic = this.#topicOf(connection, bytes, view);
    const { qos, packetId } = view;
    if (qos > 0 && this.#isRepeated(connection, session, packetId, qos === 2)) return;
    const { counts } = this.#deps;
    counts.publishesIn++;
    const refused = this.#refusalOf(connection, topic);
    if (refused !== undefined) {
      this.#refuseNow(connection, qos, packetId, refused);
      return;
    }
    const expiresAtMs = view.expirySeconds < 0 ? 0 : this.#deps.clock.now() + view.expirySeconds * 1000;
    const { payloadFrom, payloadTo, retain, properties } = view;
    const publication = new Publication(
      topic.text,
      topic.bytes,
      bytes,
      payloadFrom,
      payloadTo,
      qos,
      retain,
      properties,
      expiresAtMs,
    );
    const tooMuch = this.#tooMuch(publication, topic);
    if (tooMuch !== undefined) {
      this.#hold(connection, session, publication, packetId).release(tooMuch);
      connection.pauseIfFull();
    } else if (this.#inside(topic).interceptors.length === 0)
      this.#passAtOnce(connection, session, publication, topic, packetId);
    else this.#judge(connection, session, publication, topic, view);
  }

  /** The will of a connection that is gone. Nobody waits for an answer. */
  will(will: Will, info: ClientInfo, session: Session | undefined): void {
    const { clock, router, inProcess, authorizer, counts, log } = this.#deps;
    counts.publishesIn++;
    const topic = router.topicOf(will.topic);
    const { clientId } = info;
    if (!topic.isLegal || !authorizer.publish(info, will.topic)) {
      counts.publishesRefused++;
      log.debug({ clientId, topic: will.topic }, "will refused");
      return;
    }
    const expiresAtMs = will.expirySeconds === undefined ? 0 : clock.now() + will.expirySeconds * 1000;
    const publication = publicationOf({ ...will, expiresAtMs }, will.retain);
    inProcess.judge({ ...messageOf(publication), clientId }, (verdict) => {
      if (verdict.type === "pass") this.#route(publication, topic, session, undefined, true);
      else this.#count(verdict);
    });
  }

  /** Routes a message of the node itself. `isDurable`: a retained one is stored. */
  own(message: Message, holder: Holder | undefined, isDurable: boolean): void {
    const publication = publicationOf(message, message.retain);
    this.#route(publication, this.#deps.router.topicOf(message.topic), undefined, holder, isDurable);
  }

  /** The verdict's part of the counters, for what is not routed. */
  #count(verdict: Verdict): void {
    if (verdict.type === "take") this.#deps.counts.publishesTaken++;
    else if (verdict.type === "refuse") this.#deps.counts.publishesRefused++;
  }

  #topicOf(connection: Connection, bytes: Uint8Array, { topicFrom, topicTo, topicAlias }: PublishView): BrokerTopic {
    if (topicTo > topicFrom) {
      const topic = this.#deps.router.topic(bytes, topicFrom, topicTo);
      if (topicAlias === 0) return topic;
      if (topicAlias > limits.topicAliases) throw aliasInvalid();
      connection.topicByAlias[topicAlias] = topic;
      return topic;
    }
    const known = connection.topicByAlias[topicAlias];
    if (known !== undefined) return known;
    if (topicAlias > limits.topicAliases) throw aliasInvalid();
    throw protocolError("PUBLISH without a topic"); // [MQTT-3.3.2-8], [MQTT-4.7.3-1]
  }

  /** A QoS 2 message that is taken in already is only confirmed again [MQTT-4.3.3-10]. Counts against the receive maximum. */
  #isRepeated(connection: Connection, { incoming }: Session, packetId: number, isQos2: boolean): boolean {
    const known = isQos2 ? incoming.get(packetId) : undefined;
    if (known !== undefined) {
      if (known === null) connection.acknowledge(acknowledgement.pubrec, packetId);
      else if (known.connection !== connection) {
        known.connection = connection;
        connection.unanswered.push(known);
        connection.hold(known.bytes);
      }
      return true;
    }
    if (connection.isLevel5 && hasSentAll(connection, incoming))
      throw new MqttProtocolError(reason.receiveMaximumExceeded, "more publishes are unanswered than was allowed");
    return false;
  }

  #refusalOf(connection: Connection, topic: BrokerTopic): Refused | undefined {
    if (connection.lastTopic === topic) return undefined;
    if (!topic.isLegal) {
      if (/[+#]/.test(topic.text)) throw new MqttProtocolError(reason.topicNameInvalid, "a topic name has wildcards");
      return topicRefused;
    }
    const { role } = connection;
    const isShared = role !== undefined && topic.bytes[0] !== 0x24; // "$"
    if (!isShared || !topic.publishers.includes(role)) {
      if (!this.#deps.authorizer.publish(connection.info, topic.text)) return notAllowed;
      if (isShared) {
        if (topic.publishers.length >= rolesKept) topic.publishers.shift();
        topic.publishers.push(role);
      }
    }
    connection.lastTopic = topic;
    return undefined;
  }

  /** Why it cannot be taken now, at QoS 1 and 2. */
  #tooMuch(publication: Publication, topic: BrokerTopic): Refused | undefined {
    if (publication.qos === 0) return undefined;
    if (publication.retain && !this.#deps.retained.hasRoomFor(publication)) return retainedFull;
    return this.#deps.delivery.isTooMuch(publication, topic) ? queuesFull : undefined;
  }

  /** The usual case: nobody has to be asked. */
  #passAtOnce(
    connection: Connection,
    session: Session,
    publication: Publication,
    topic: BrokerTopic,
    packetId: number,
  ): void {
    const { qos } = publication;
    const isStored = publication.retain || (qos > 0 && (this.#needsStore(topic) || (qos === 2 && session.isDurable)));
    if (!isStored && connection.unanswered.length === 0) {
      if (qos === 2) session.incoming.set(packetId, null);
      this.#route(publication, topic, session, undefined, true);
      if (qos > 0) connection.acknowledge(qos === 1 ? acknowledgement.puback : acknowledgement.pubrec, packetId);
      return;
    }
    const pending = this.#hold(connection, session, publication, packetId);
    this.#accept(pass, publication, topic, session, pending);
    connection.pauseIfFull();
  }

  /** Who in this process has to do with the topic. */
  #inside(topic: BrokerTopic): Inside {
    const { inProcess } = this.#deps;
    if (topic.inside === undefined || topic.inside.generation !== inProcess.generation)
      topic.inside = inProcess.inside(topic.text);
    return topic.inside;
  }

  /** Whether something of the message may have to be stored before it is answered. */
  #needsStore(topic: BrokerTopic): boolean {
    const { routes, groups } = this.#deps.router.routesOf(topic);
    return groups.length > 0 || routes.some(({ session }) => session.isDurable);
  }

  #judge(
    connection: Connection,
    session: Session,
    publication: Publication,
    topic: BrokerTopic,
    { packetId, dup: repeated, expirySeconds }: PublishView,
  ): void {
    const pending = this.#hold(connection, session, publication, packetId);
    const publish: InboundPublish = {
      ...messageOf(publication),
      clientId: connection.info.clientId,
      repeated,
      ...(expirySeconds >= 0 && { expirySeconds }),
    };
    this.#deps.inProcess.judge(
      publish,
      (verdict) => this.#accept(verdict, publication, topic, session, pending),
      this.#inside(topic).interceptors,
    );
    connection.pauseIfFull();
  }

  #hold(connection: Connection, session: Session, publication: Publication, packetId: number): PendingAcknowledgement {
    const { qos } = publication;
    const bytes = publication.payloadBytes + publication.topicBytes.length;
    const pending = new PendingAcknowledgement(connection, packetId, qos, bytes, refusedByStore, (done) =>
      this.#answer(done, session),
    );
    connection.hold(bytes);
    if (qos > 0) connection.unanswered.push(pending);
    if (qos === 2) session.incoming.set(packetId, pending);
    return pending;
  }

  #accept(
    verdict: Verdict,
    publication: Publication,
    topic: BrokerTopic,
    session: Session,
    pending: PendingAcknowledgement | undefined,
  ): void {
    if (verdict.type === "refuse") {
      pending?.release(refusalOf(verdict));
      return;
    }
    this.#count(verdict);
    if (verdict.type === "pass") {
      this.#route(publication, topic, session, pending, true);
      if (pending !== undefined && verdict.receipt !== undefined) {
        pending.hold();
        verdict.receipt.wait(pending);
      }
    }
    if (pending === undefined) return;
    if (publication.qos === 2 && session.isDurable && !session.hasEnded) {
      pending.hold();
      const { packetId } = pending;
      this.#deps.delivery.batch.change({ type: "received", session: session.storeId, packetId, isPresent: true });
      this.#deps.delivery.batch.wait(pending);
    }
    pending.release();
  }

  #route(
    publication: Publication,
    topic: BrokerTopic,
    publisher: Session | undefined,
    holder: Holder | undefined,
    isDurable: boolean,
  ): void {
    const { inProcess, delivery } = this.#deps;
    if (publication.retain) this.#retain(publication, holder, isDurable);
    if (this.#inside(topic).hasSubscriber) inProcess.deliver(messageOf(publication));
    delivery.route(publication, topic, publisher, holder);
  }

  #retain(publication: Publication, holder: Holder | undefined, isDurable: boolean): void {
    const { retained, delivery, counts } = this.#deps;
    const isKept = retained.set(publication);
    if (!isKept) counts.droppedRetained++;
    if (!isDurable) return;
    const message = isKept && publication.payloadBytes > 0 ? publication.detached() : null;
    delivery.batch.retain({ topic: publication.topic, message });
    if (holder === undefined) return;
    holder.hold();
    delivery.batch.waitForMessages(holder);
  }

  #refuseNow(connection: Connection, qos: 0 | 1 | 2, packetId: number, refused: Refused): void {
    this.#deps.counts.publishesRefused++;
    if (qos === 0) return;
    const { clientId } = connection.info;
    this.#deps.log.debug({ clientId, reason: refused.reason }, "publish refused");
    if (!connection.isLevel5) connection.close();
    else if (connection.unanswered.length === 0) answerRefusal(connection, qos, packetId, refused);
    else {
      const pending = new PendingAcknowledgement(connection, packetId, qos, 0, refusedByStore, () => {});
      pending.outcome = refused;
      connection.unanswered.push(pending);
    }
  }

  /** The verdict is there and everything promised is stored, or failed to be. */
  #answer(pending: PendingAcknowledgement, session: Session): void {
    const { packetId, qos, outcome } = pending;
    const isRefused = outcome?.type === "refused";
    if (isRefused) this.#deps.counts.publishesRefused++;
    if (qos === 2 && session.incoming.get(packetId) === pending) {
      if (!isRefused) session.incoming.set(packetId, null);
      else if (!session.isDurable || session.hasEnded) session.incoming.delete(packetId);
      else {
        this.#takeBack(pending, session, outcome);
        return;
      }
    }
    this.#finish(pending);
  }

  /** The identifier of a refused message must not stand in the store when the client uses it for another one. */
  #takeBack(pending: PendingAcknowledgement, session: Session, outcome: Refused): void {
    const { packetId } = pending;
    const { batch } = this.#deps.delivery;
    pending.outcome = undefined;
    batch.change({ type: "received", session: session.storeId, packetId, isPresent: false });
    batch.wait({
      stored: (error) => {
        session.incoming.delete(packetId);
        if (error !== null) pending.connection.end(reason.unspecified, "a refusal could not be stored");
        pending.outcome = outcome;
        this.#finish(pending);
      },
    });
  }

  #finish(pending: PendingAcknowledgement): void {
    const { connection, qos, outcome } = pending;
    if (outcome?.type === "refused" && qos > 0 && !connection.isLevel5) {
      this.#doom(connection, outcome);
      return; // stays held until the connection closes
    }
    if (connection.isOpen) flushAnswers(connection);
    connection.release(pending.bytes);
  }

  /** What the protocol has no answer for: the connection is closed, at once or after a while. */
  #doom(connection: Connection, { now, reason: text }: Refused): void {
    const { clock, log } = this.#deps;
    const { clientId } = connection.info;
    if (now) {
      log.debug({ clientId, reason: text }, "publish refused");
      connection.close();
    } else if (!connection.isDoomed && connection.isOpen) {
      connection.isDoomed = true;
      log.debug({ clientId, reason: text, closeInMs: limits.refusedPublishHoldMs }, "publish refused");
      clock.sleep(limits.refusedPublishHoldMs, connection.abort.signal).then(
        () => connection.close(),
        () => {},
      );
    }
  }
}

/** Whether as many publishes are unanswered as it was told. What waits at QoS 2 stands in both lists. */
function hasSentAll({ unanswered }: Connection, incoming: Session["incoming"]): boolean {
  if (incoming.size + unanswered.length < limits.heldPublishes) return false;
  const others = unanswered.filter((pending) => incoming.get(pending.packetId) !== pending);
  return incoming.size + others.length >= limits.heldPublishes;
}

/** Writes the answers at the head of the line that are known. */
function flushAnswers(connection: Connection): void {
  const { unanswered } = connection;
  let answered = 0;
  for (const pending of unanswered) {
    const { outcome, packetId, qos } = pending;
    if (outcome === undefined) break;
    answered++;
    if (pending.connection !== connection || qos === 0) continue; // repeated on a newer one
    if (outcome.type === "refused") answerRefusal(connection, qos, packetId, outcome);
    else connection.acknowledge(qos === 1 ? acknowledgement.puback : acknowledgement.pubrec, packetId);
  }
  if (answered > 0) unanswered.splice(0, answered);
}

function answerRefusal(
  connection: Connection,
  qos: 1 | 2,
  packetId: number,
  { reasonCode, reason: text }: Refused,
): void {
  const firstByte = qos === 1 ? acknowledgement.puback : acknowledgement.pubrec;
  connection.acknowledge(firstByte, packetId, reasonCode, text);
}

function refusalOf({ reason: text, now = false }: Extract<Verdict, { type: "refuse" }>): Refused {
  return {
    type: "refused",
    reasonCode: now ? reason.implementationSpecific : reason.quotaExceeded,
    reason: text,
    now,
  };
}

function refusedByStore(error: FogbankError): Refused {
  const text = `the message could not be stored (${error.code}): ${error.message}`;
  return { type: "refused", reasonCode: reason.quotaExceeded, reason: text, now: false };
}

function aliasInvalid(): MqttProtocolError {
  return new MqttProtocolError(reason.topicAliasInvalid, `a topic alias is above ${limits.topicAliases}`);
}

function messageOf({ topic, payload, qos, retain, properties }: Publication): Message {
  return properties.length === 0 ? { topic, payload, qos, retain } : { topic, payload, qos, retain, properties };
}
