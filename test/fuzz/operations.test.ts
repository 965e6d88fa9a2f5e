// Several clients do what clients may do, in any order, and a simple model says what each must have received and what it may have.
import fc from "fast-check";
import { expect, test } from "vitest";
import { matchesFilter } from "#shared/mqtt/topic.ts";
import type { Qos } from "#shared/system/bus.ts";
import { CoreBench } from "../fakes/core-bench.ts";
import { ModelClient } from "./model-client.ts";

interface Sent {
  readonly payload: string;
  readonly qos: Qos;
  readonly number: number;
  /** Publisher, topic and QoS: what has an order [B4]. */
  readonly line: string;
  readonly publisher: string;
}

/** What the model knows of one client. */
class Expected {
  isKept = false;
  readonly subscriptions = new Map<string, Qos>();
  /** Grows with every change of subscriptions: across it there is no order. */
  epoch = 0;
  readonly must = new Map<string, Sent>();
  /** What may come, at which QoS, and with which changes of subscriptions before it. */
  readonly may = new Map<string, { readonly sent: Sent; readonly granted: Qos; readonly epoch: number }>();

  grantedFor(topic: string): Qos | undefined {
    const matching = [...this.subscriptions].filter(([filter]) => matchesFilter(filter, topic));
    return matching.length === 0 ? undefined : (Math.max(...matching.map(([, qos]) => qos)) as Qos);
  }

  /** The session is gone. */
  end(): void {
    this.subscriptions.clear();
    this.must.clear();
    this.epoch++;
  }
}

class Play {
  readonly #bench: CoreBench;
  readonly #clients: readonly ModelClient[];
  readonly #expected: readonly Expected[];
  #sent = 0;

  constructor(bench: CoreBench, names: readonly string[]) {
    this.#bench = bench;
    this.#clients = names.map((name) => new ModelClient(bench.port, name));
    this.#expected = names.map(() => new Expected());
  }

  async run({ type, client: at, clean, filter, topic, qos, count }: Step): Promise<void> {
    const [client, expected] = [this.#clients[at], this.#expected[at]];
    if (client === undefined || expected === undefined) return;
    if (type === "publish") {
      for (let one = 0; one < count && client.isConnected; one++) this.#publish(client, topic, qos);
      return;
    }
    if (type === "hush" || type === "speak") {
      client[type]();
      return;
    }
    if (type === "drop") {
      if (client.isConnected) this.#drop(client, expected);
      return;
    }
    await this.#settle();
    if (type === "connect") {
      if (client.isConnected) await this.#leave(client, expected);
      if (clean) expected.end();
      await client.connect(clean);
      expected.isKept = !clean;
    } else if (type === "advance") await this.#bench.clock.advance(1_000);
    else if (client.isConnected) {
      if (type === "disconnect") await this.#leave(client, expected);
      else if (type === "subscribe") {
        await client.subscribe(filter, qos);
        expected.subscriptions.set(filter, qos);
        expected.epoch++;
      } else {
        await client.unsubscribe(filter);
        expected.subscriptions.delete(filter);
        expected.epoch++;
      }
    }
  }

  #publish(client: ModelClient, topic: string, qos: Qos): void {
    const number = ++this.#sent;
    const line = `${client.clientId} ${topic} ${qos}`;
    const sent: Sent = { payload: `${line} #${number}`, qos, number, line, publisher: client.clientId };
    client.publish(topic, sent.payload, qos);
    this.#clients.forEach((subscriber, at) => {
      const expected = this.#expected[at];
      const maximum = expected?.grantedFor(topic);
      if (expected === undefined || maximum === undefined) return;
      const granted = Math.min(maximum, qos) as Qos;
      expected.may.set(sent.payload, { sent, granted, epoch: expected.epoch });
      if (subscriber.isConnected || (expected.isKept && granted > 0)) expected.must.set(sent.payload, sent);
    });
  }

  /** Without its goodbye: what it had just sent may not have arrived, what was on its way to it at QoS 0 is gone. */
  #drop(client: ModelClient, expected: Expected): void {
    client.drop();
    for (const { must } of this.#expected) {
      for (const { payload, publisher } of must.values())
        if (publisher === client.clientId && !this.#settled.has(payload) && !client.confirmed.has(payload))
          must.delete(payload);
    }
    this.#gone(expected);
  }

  async #leave(client: ModelClient, expected: Expected): Promise<void> {
    await client.disconnect();
    this.#gone(expected);
  }

  #gone(expected: Expected): void {
    if (!expected.isKept) {
      expected.end();
      return;
    }
    for (const payload of expected.must.keys())
      if (expected.may.get(payload)?.granted === 0) expected.must.delete(payload);
  }

  readonly #settled = new Set<string>();

  /** Everything that was sent has been taken in. */
  async #settle(): Promise<void> {
    await Promise.all(this.#clients.filter(({ isConnected }) => isConnected).map((client) => client.ping()));
    for (const { must, may } of this.#expected)
      for (const payload of [...must.keys(), ...may.keys()]) this.#settled.add(payload);
  }

  /** Everybody who is kept comes back and gets the rest. */
  async finish(): Promise<void> {
    for (const client of this.#clients) client.speak();
    await this.#settle();
    for (const [at, client] of this.#clients.entries()) {
      if (!client.isConnected && this.#expected[at]?.isKept === true) await client.connect(false);
    }
    for (const [at, client] of this.#clients.entries()) {
      const { must = new Map<string, Sent>() } = this.#expected[at] ?? {};
      const isComplete = () => [...must.keys()].every((payload) => client.received.includes(payload));
      const complete = new Promise<void>((resolve) => (client.onReceived = () => isComplete() && resolve()));
      const lacking = () => [...must.keys()].filter((payload) => !client.received.includes(payload));
      if (!isComplete()) await Promise.race([complete, late(() => `${client.clientId} lacks ${lacking().join(", ")}`)]);
    }
    await this.#settle();
  }

  check(): void {
    for (const [at, client] of this.#clients.entries()) {
      const { may = new Map<string, never>() } = this.#expected[at] ?? {};
      const last = new Map<string, number>();
      const seen = new Set<string>();
      for (const payload of client.received) {
        const allowed = may.get(payload);
        expect(allowed, `${client.clientId} may get ${payload}`).toBeDefined();
        if (allowed === undefined) continue;
        if (allowed.granted !== 1) expect(seen.has(payload), `${payload} comes once`).toBe(false);
        if (seen.has(payload)) continue; // QoS 1 may be repeated
        seen.add(payload);
        const line = `${allowed.sent.line} ${allowed.epoch}`;
        expect(allowed.sent.number, `the order of ${line}`).toBeGreaterThan(last.get(line) ?? 0);
        last.set(line, allowed.sent.number);
      }
    }
  }

  end(): void {
    for (const client of this.#clients) client.drop();
  }
}

/** Only a test that fails waits for it. */
function late(what: () => string): Promise<never> {
  return new Promise((_, reject) => void setTimeout(() => reject(new Error(what())), 3_000).unref());
}

const anyStep = fc.record({
  type: fc.oneof(
    { weight: 12, arbitrary: fc.constant("publish" as const) },
    { weight: 3, arbitrary: fc.constant("connect" as const) },
    { weight: 4, arbitrary: fc.constant("subscribe" as const) },
    { weight: 1, arbitrary: fc.constant("unsubscribe" as const) },
    { weight: 3, arbitrary: fc.constant("drop" as const) },
    { weight: 2, arbitrary: fc.constant("hush" as const) },
    { weight: 1, arbitrary: fc.constant("speak" as const) },
    { weight: 1, arbitrary: fc.constant("disconnect" as const) },
    { weight: 1, arbitrary: fc.constant("advance" as const) },
  ),
  client: fc.nat(2),
  clean: fc.constantFrom(false, false, false, true),
  filter: fc.constantFrom("a", "b", "+", "#", "a/b"),
  topic: fc.constantFrom("a", "b", "a/b"),
  qos: fc.constantFrom<Qos>(0, 1, 2),
  count: fc.integer({ min: 1, max: 8 }),
});
type Step = typeof anyStep extends fc.Arbitrary<infer S> ? S : never;

test("every subscriber gets what it must, nothing that it may not, and in order [B4]", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 10, maxLength: 80, size: "max" }), async (steps) => {
      await using bench = await CoreBench.start();
      const play = new Play(bench, ["one", "two", "three"]);
      try {
        for (const client of [0, 1, 2]) {
          await play.run({ ...first, client, clean: client === 0 });
          await play.run({ ...first, type: "subscribe", client, filter: "#", qos: client === 0 ? 1 : 2 });
        }
        for (const step of steps) await play.run(step);
        await play.finish();
        play.check();
      } finally {
        play.end();
      }
    }),
    { numRuns: 60 },
  );
}, 60_000);

const first: Step = { type: "connect", client: 0, clean: true, filter: "a", topic: "a", qos: 0, count: 1 };
