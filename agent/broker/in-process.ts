// The half of a broker that needs no connections: interceptors and in-process subscribers. Every implementation shares it.
import { assert } from "#shared/assert.ts";
import { FogbankError } from "#shared/errors.ts";
import { isTopicFilter, isNodeTopicName, matchesFilter } from "#shared/mqtt/topic.ts";
import { TopicTree } from "#shared/mqtt/topic-tree.ts";
import type { InboundPublish, Interceptor, Message, Verdict } from "#shared/system/bus.ts";
import type { Logger } from "#shared/system/logger.ts";

interface Registration {
  readonly filter: string;
  readonly interceptor: Interceptor;
}

interface Subscriber {
  readonly handler: (message: Message) => void;
}

/** Topics whose interceptors are remembered. Forgotten all at once when full: hot topics come back with their next message. */
const cachedTopicsMax = 1_000;

export const passVerdict: Verdict = { type: "pass" };

export class InProcess {
  readonly #log: Logger;
  #registrations: readonly Registration[] = [];
  readonly #matched = new Map<string, readonly Interceptor[]>();
  readonly #subscribers = new TopicTree<Subscriber>();

  constructor(log: Logger) {
    this.#log = log;
  }

  intercept(filter: string, interceptor: Interceptor): Disposable {
    checkFilter(filter);
    const registration: Registration = { filter, interceptor };
    this.#registrations = [...this.#registrations, registration];
    this.#matched.clear();
    return {
      [Symbol.dispose]: () => {
        this.#registrations = this.#registrations.filter((other) => other !== registration);
        this.#matched.clear();
      },
    };
  }

  subscribe(filter: string, handler: (message: Message) => void): Disposable {
    checkFilter(filter);
    const subscriber: Subscriber = { handler };
    this.#subscribers.add(filter, subscriber);
    return { [Symbol.dispose]: () => void this.#subscribers.remove(filter, subscriber) };
  }

  hasSubscriber(topic: string): boolean {
    return this.#subscribers.hasMatch(topic);
  }

  hasSubscriberBelow(prefix: string): boolean {
    return this.#subscribers.hasMatchBelow(prefix);
  }

  /** Whether `judge` would ask anybody: the caller can skip building the publish. */
  hasInterceptor(topic: string): boolean {
    return this.#registrations.length > 0 && this.#interceptorsOf(topic).length > 0;
  }

  /** Asks the matching interceptors one after the other until one does not pass, then calls `done` once. */
  judge(publish: InboundPublish, done: (verdict: Verdict) => void): void {
    this.#ask(this.#interceptorsOf(publish.topic), 0, publish, done);
  }

  /** Hands a routed message to the in-process subscribers, now. */
  deliver(message: Message): void {
    for (const subscriber of this.#subscribers.match(message.topic)) {
      try {
        subscriber.handler(message);
      } catch (error) {
        this.#log.error({ error, topic: message.topic }, "an in-process subscriber failed");
      }
    }
  }

  /** Recursion is as deep as there are interceptors. */
  #ask(
    interceptors: readonly Interceptor[],
    at: number,
    publish: InboundPublish,
    done: (verdict: Verdict) => void,
  ): void {
    const interceptor = interceptors[at];
    if (interceptor === undefined) {
      done(passVerdict);
      return;
    }
    let settled = false;
    const settle = (verdict: Verdict): void => {
      assert(!settled, "an interceptor settles a publish once");
      settled = true;
      if (verdict.type === "pass") this.#ask(interceptors, at + 1, publish, done);
      else done(verdict);
    };
    try {
      interceptor(publish, settle);
    } catch (error) {
      if (settled) throw error; // what failed is behind `settle`: not this interceptor, or its second call
      this.#log.error({ error, topic: publish.topic }, "an interceptor failed");
      settle({ type: "refuse", reason: "an interceptor failed" });
    }
  }

  #interceptorsOf(topic: string): readonly Interceptor[] {
    let interceptors = this.#matched.get(topic);
    if (interceptors === undefined) {
      if (this.#matched.size >= cachedTopicsMax) this.#matched.clear();
      interceptors = this.#registrations
        .filter(({ filter }) => matchesFilter(filter, topic))
        .map(({ interceptor: matching }) => matching);
      this.#matched.set(topic, interceptors);
    }
    return interceptors;
  }
}

/** Throws FOGBANK_TOPIC_INVALID. */
export function checkTopic(topic: string): void {
  if (isNodeTopicName(topic)) return;
  throw new FogbankError("FOGBANK_TOPIC_INVALID", `cannot publish on "${topic.slice(0, 80)}": not a topic name`);
}

function checkFilter(filter: string): void {
  if (isTopicFilter(filter)) return;
  throw new FogbankError("FOGBANK_TOPIC_INVALID", `cannot use "${filter.slice(0, 80)}": not a topic filter`);
}
