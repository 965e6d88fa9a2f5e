// Compares what the publishers were told with what reached the subscribers. Knows nothing of Fogbank, and needs no clock: ticks say
// what happened before what.
import type { FaultLog } from "./fault-log.ts";
import { lastAcknowledged } from "./retained-reader.ts";
import {
  matches,
  type Delivery,
  type Publication,
  type PublisherRecord,
  type Span,
  type SubscriberRecord,
} from "./record.ts";

export interface Judgement {
  /** Messages that had to reach a subscriber, over all subscribers and the group, and those that did. */
  readonly promised: number;
  readonly kept: number;
  /** Acknowledged, promised to a subscriber, and not there. */
  readonly lost: number;
  /** More than once where once was promised. */
  readonly duplicated: number;
  /** More than once where at least once was promised. */
  readonly repeated: number;
}

/** Adds what is wrong to `faults`. */
export function judge(
  publishers: readonly PublisherRecord[],
  subscribers: readonly SubscriberRecord[],
  faults: FaultLog,
): Judgement {
  const totals = { promised: 0, kept: 0, lost: 0, duplicated: 0, repeated: 0 };
  const own = subscribers.filter(({ isMember }) => !isMember);
  for (const subscriber of own) judgeAudience([subscriber], publishers, totals, faults);
  const members = subscribers.filter(({ isMember }) => isMember);
  if (members.length > 0) judgeAudience(members, publishers, totals, faults);
  for (const subscriber of subscribers) judgeOrder(subscriber, publishers, faults);
  for (const subscriber of own) judgeRetained(subscriber, publishers, faults);
  return totals;
}

/** `audience`: one subscriber, or the members of the group, who get each message between them. */
function judgeAudience(
  audience: readonly SubscriberRecord[],
  publishers: readonly PublisherRecord[],
  totals: { -readonly [K in keyof Judgement]: Judgement[K] },
  faults: FaultLog,
): void {
  const deliveries = new Map<string, string[]>();
  for (const { name, deliveries: all } of audience) {
    for (const { publisher, number, isRetained } of all) {
      if (isRetained) continue;
      const key = `${publisher} ${number}`;
      const found = deliveries.get(key);
      if (found === undefined) deliveries.set(key, [name]);
      else found.push(name);
    }
  }
  const spans = audience.flatMap((subscriber) => subscriber.spans);
  const who = audience.length === 1 ? audience[0]?.name : "the group";
  const qosMin = audience.some(({ qos }) => qos === 1) ? 1 : 2;
  for (const { plan, qos, publications } of publishers) {
    for (const publication of publications) {
      const key = `${plan.publisher} ${publication.number}`;
      const example = `${key} to ${who}`;
      const takers = deliveries.get(key) ?? [];
      if (spans.some((span) => isPromised(span, publication))) {
        totals.promised++;
        if (takers.length > 0) totals.kept++;
        else {
          totals.lost++;
          faults.add("acknowledged, not delivered [B1]", example);
        }
      }
      if (takers.length === 0) continue;
      if (!spans.some((span) => isPossible(span, publication))) faults.add("delivered without a subscription", example);
      if (takers.length === 1) continue;
      if (qos === 2 && qosMin === 2) {
        totals.duplicated += takers.length - 1;
        faults.add("delivered twice at QoS 2 [MQTT-4.3.3-2]", `${example}: ${takers.join(", ")}`);
      } else totals.repeated += takers.length - 1;
      const isMany = new Set(takers).size > 1;
      if (isMany && (qos === 2 || publication.sends === 1))
        faults.add("one message to two members of a group [MQTT-4.8.2-4]", `${example}: ${takers.join(", ")}`);
    }
  }
}

/** Subscribed all the time in which the broker may have taken the message in. */
function isPromised(
  { filter, heldAt, releasedAt }: Span,
  { topic, firstSentAt, acknowledgedAt }: Publication,
): boolean {
  if (heldAt === undefined || acknowledgedAt === undefined || !matches(filter, topic)) return false;
  return heldAt < firstSentAt && (releasedAt === undefined || releasedAt > acknowledgedAt);
}

/** Maybe subscribed at some moment in which the broker may have taken the message in. */
function isPossible({ filter, askedAt, goneAt }: Span, { topic, firstSentAt, acknowledgedAt }: Publication): boolean {
  if (!matches(filter, topic)) return false;
  return askedAt < (acknowledgedAt ?? Infinity) && (goneAt ?? Infinity) > firstSentAt;
}

/** First deliveries of one publisher's messages on one topic come in its order; QoS is the lower one of both sides. */
function judgeOrder(subscriber: SubscriberRecord, publishers: readonly PublisherRecord[], faults: FaultLog): void {
  const byName = new Map(publishers.map((record) => [record.plan.publisher, record]));
  const last = new Map<string, number>();
  const seen = new Set<string>();
  for (const { publisher, number, topic, qos, isRetained } of subscriber.deliveries) {
    const key = `${publisher} ${number}`;
    const record = byName.get(publisher);
    const granted = Math.min(subscriber.qos, record?.qos ?? 0);
    if (qos !== granted) faults.add("delivered at another QoS", `${key} to ${subscriber.name}: ${qos}`);
    if (isRetained || seen.has(key)) continue;
    seen.add(key);
    // What was published again at QoS 1 is another message to the broker: the first copy may have gone to another member.
    const isCopy = record?.qos === 1 && record.publications[number - 1]?.sends !== 1;
    if (subscriber.isMember && isCopy) continue;
    const line = `${publisher} ${topic}`;
    const before = last.get(line) ?? 0;
    if (number < before) faults.add("out of order [B4]", `${key} to ${subscriber.name}, behind ${before}`);
    last.set(line, Math.max(before, number));
  }
}

/** A subscription that lasted brought what was retained when it began, or something newer. */
function judgeRetained(
  { name, spans, deliveries }: SubscriberRecord,
  publishers: readonly PublisherRecord[],
  faults: FaultLog,
): void {
  const retaining = publishers.filter(({ retain }) => retain);
  for (const span of spans) {
    if (span.heldAt === undefined || span.releasedAt !== undefined) continue;
    for (const [topic, number] of lastAcknowledged(retaining, span.askedAt)) {
      if (!matches(span.filter, topic)) continue;
      if (!deliveries.some((delivery) => isNews(delivery, topic, number, span)))
        faults.add("retained, not delivered [MQTT-3.3.1-6]", `${topic} as of ${number} to ${name}`);
    }
  }
}

function isNews(delivery: Delivery, topic: string, number: number, { askedAt }: Span): boolean {
  return delivery.topic === topic && delivery.number >= number && delivery.at > askedAt;
}

/** What was retained when the subscription to `filter` began has come: it may be given up. */
export function hasRetained(
  { spans, deliveries }: SubscriberRecord,
  publishers: readonly PublisherRecord[],
  filter: string,
): boolean {
  const span = spans.findLast((one) => one.filter === filter);
  if (span?.heldAt === undefined) return false;
  const retaining = publishers.filter(({ retain }) => retain);
  return [...lastAcknowledged(retaining, span.askedAt)].every(
    ([topic, number]) =>
      !matches(filter, topic) || deliveries.some((delivery) => isNews(delivery, topic, number, span)),
  );
}
