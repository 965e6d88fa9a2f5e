// The half of a broker that needs no connections: interceptors and in-process subscribers. Every implementation shares it.
import { assert } from "#shared/assert.ts";
import { FogbankError } from "#shared/errors.ts";
import { isTopicFilter, isNodeTopicName, matchesFilter } from "#shared/mqtt/topic.ts";
import { TopicTree } from "#shared/mqtt/topic-tree.ts";
import type { InboundPublish, Interceptor, Message, StoreReceipt, Verdict } from "#shared/system/bus.ts";
import type { Logger } from "#shared/system/logger.ts";

interface Registration {
  readonly filter: string;
  readonly interceptor: Interceptor;
}

interface Subscriber {
  readonly handler: (message: Message) => void;
}

/** Who in this process has to do with a topic, as long as the generation is the current one. */
export interface Inside {
  readonly generation: number;
  readonly interceptors: readonly Interceptor[];
  readonly hasSubscriber: boolean;
}

const passVerdict: Pass = { type: "pass" };

export class InProcess {
  readonly #log: Logger;
  #registrations: readonly Registration[] = [];
  readonly #subscribers = new TopicTree<Subscriber>();

  /** Grows whenever an interceptor or a subscriber comes or goes. */
  generation = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  inside(topic: string): Inside {
    return {
      generation: this.generation,
      interceptors: this.#interceptorsOf(topic),
      hasSubscriber: this.hasSubscriber(topic),
    };
  }

  intercept(filter: string, interceptor: Interceptor): Disposable {
    checkFilter(filter);
    const registration: Registration = { filter, interceptor };
    this.#registrations = [...this.#registrations, registration];
    this.generation++;
    return {
      [Symbol.dispose]: () => {
        this.#registrations = this.#registrations.filter((other) => other !== registration);
        this.generation++;
      },
    };
  }

  subscribe(filter: string, handler: (message: Message) => void): Disposable {
    checkFilter(filter);
    const subscriber: Subscriber = { handler };
    this.#subscribers.add(filter, subscriber);
    this.generation++;
    return {
      [Symbol.dispose]: () => {
        this.#subscribers.remove(filter, subscriber);
        this.generation++;
      },
    };
  }

  hasSubscriber(topic: string): boolean {
    return this.#subscribers.hasMatch(topic);
  }

  hasSubscriberBelow(prefix: string): boolean {
    return this.#subscribers.hasMatchBelow(prefix);
  }

  /** Asks the interceptors one after the other until one does not pass, then calls `done` once. */
  judge(
    publish: InboundPublish,
    done: (verdict: Verdict) => void,
    interceptors: readonly Interceptor[] = this.#interceptorsOf(publish.topic),
  ): void {
    this.#ask(interceptors, 0, publish, passVerdict, done);
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
    passed: Pass,
    done: (verdict: Verdict) => void,
  ): void {
    const interceptor = interceptors[at];
    if (interceptor === undefined) {
      done(passed);
      return;
    }
    let settled = false;
    const settle = (verdict: Verdict): void => {
      assert(!settled, "an interceptor settles a publish once");
      settled = true;
      if (verdict.type === "pass") this.#ask(interceptors, at + 1, publish, bothPass(passed, verdict), done);
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
    return this.#registrations
      .filter(({ filter }) => matchesFilter(filter, topic))
      .map(({ interceptor: matching }) => matching);
  }
}

type Pass = Extract<Verdict, { type: "pass" }>;

/** Passes when both do; its receipt stands for both. */
function bothPass(first: Pass, second: Pass): Pass {
  if (first.receipt === undefined) return second;
  if (second.receipt === undefined) return first;
  return { type: "pass", receipt: bothStored(first.receipt, second.receipt) };
}

function bothStored(first: StoreReceipt, second: StoreReceipt): StoreReceipt {
  return {
    wait(waiter) {
      let failure: FogbankError | null = null;
      let left = 2;
      const each = {
        stored(error: FogbankError | null): void {
          failure ??= error;
          if (--left === 0) waiter.stored(failure);
        },
      };
      first.wait(each);
      second.wait(each);
    },
  };
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
