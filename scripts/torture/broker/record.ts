// What happened, as the clients saw it. One counter orders the events of all of them: what one client has been told before another
// one sends had happened at the broker before.
import type { MessagePlan } from "../message-plan.ts";

/** A moment. Grows with every event. */
export type Tick = number;

export class Ticker {
  #now = 0;

  next(): Tick {
    return ++this.#now;
  }
}

/** One message of a publisher. */
export interface Publication {
  readonly number: number;
  readonly topic: string;
  readonly firstSentAt: Tick;
  /** PUBACK, or PUBREC: from here on the broker is answerable for it. */
  acknowledgedAt: Tick | undefined;
  /** How often PUBLISH went out. */
  sends: number;
}

export interface PublisherRecord {
  readonly plan: MessagePlan;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  /** By number minus one. */
  readonly publications: Publication[];
}

/** A subscription from SUBSCRIBE to UNSUBACK. */
export interface Span {
  /** Without `$share/…/`: a prefix with `/#`. */
  readonly filter: string;
  readonly askedAt: Tick;
  /** SUBACK has come. */
  heldAt: Tick | undefined;
  /** UNSUBSCRIBE has gone out first. */
  releasedAt: Tick | undefined;
  /** UNSUBACK has come. */
  goneAt: Tick | undefined;
}

/** A message as it was handed to the application behind a subscriber. */
export interface Delivery {
  readonly publisher: string;
  readonly number: number;
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  /** With the RETAIN flag: what there was when the subscription began. */
  readonly isRetained: boolean;
  readonly at: Tick;
}

export interface SubscriberRecord {
  readonly name: string;
  /** That it asks for. */
  readonly qos: 1 | 2;
  /** It is a member of the one group there is. */
  readonly isMember: boolean;
  readonly spans: Span[];
  readonly deliveries: Delivery[];
}

/** Filters are prefixes with `/#`, so that this needs no code of the broker. */
export function matches(filter: string, topic: string): boolean {
  return topic.startsWith(filter.slice(0, -1));
}
