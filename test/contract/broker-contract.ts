// What every implementation of the Broker port does. `start` gives a fresh broker whose clock the test moves.
import { expect, test } from "vitest";
import { treeAuthorizer } from "#agent/broker/authorize.ts";
import type { Authorizer, Broker, ClientEvent } from "#agent/broker/broker.ts";
import { limits } from "#shared/limits.ts";
import type { InboundPublish, Message, Qos, Verdict } from "#shared/system/bus.ts";
import type { FakeClock } from "../fakes/fake-clock.ts";
import type { MemoryClient, MemoryClientOptions } from "../fakes/memory-broker.ts";
import type { SilentLogger } from "../fakes/silent-logger.ts";

export interface BrokerBench extends AsyncDisposable {
  readonly broker: Broker;
  readonly clock: FakeClock;
  readonly log: SilentLogger;
  connect(clientId: string, options?: MemoryClientOptions): Promise<MemoryClient>;
}

export interface StartBench {
  (authorizer?: Authorizer): Promise<BrokerBench>;
  /** Beginnings of the clauses that this broker cannot keep, and why not. */
  readonly cannot?: Readonly<Record<string, string>>;
}

/** A clause of the contract; one that a broker cannot keep is shown as skipped, with the reason. */
export function clause({ cannot = {} }: StartBench, title: string, run: () => Promise<void>): void {
  const reason = Object.entries(cannot).find(([begin]) => title.includes(`: ${begin}`))?.[1];
  if (reason === undefined) test(title, run);
  else test.skip(`${title} (${reason})`, run);
}

export function message(topic: string, text: string, qos: Qos = 1, retain = false): Message {
  return { topic, payload: new TextEncoder().encode(text), qos, retain };
}

function textOf({ payload }: Message): string {
  return new TextDecoder().decode(payload);
}

/** Collects what arrives; `until` resolves when `count` have. */
export class Inbox {
  readonly messages: Message[] = [];
  readonly #waiting: { count: number; resolve: () => void }[] = [];

  readonly take = (arrived: Message): void => {
    this.messages.push({ ...arrived, payload: arrived.payload.slice() });
    for (const { count, resolve } of this.#waiting) if (this.messages.length >= count) resolve();
  };

  get texts(): string[] {
    return this.messages.map(textOf);
  }

  until(count: number): Promise<void> {
    if (this.messages.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }
}

export async function subscribed(client: MemoryClient, filter: string, qos: Qos = 1): Promise<Inbox> {
  const inbox = new Inbox();
  client.onMessage(inbox.take);
  expect(await client.subscribe(filter, qos)).toBe(true);
  return inbox;
}

interface Held {
  readonly publish: InboundPublish;
  readonly settle: (verdict: Verdict) => void;
}

/** Holds every publish that matches until the test settles it. */
function holdAll(broker: Broker, filter: string): { next(): Promise<Held> } {
  const held: Held[] = [];
  const waiting: ((held: Held) => void)[] = [];
  broker.intercept(filter, (publish, settle) => {
    const waiter = waiting.shift();
    if (waiter === undefined) held.push({ publish, settle });
    else waiter({ publish, settle });
  });
  return {
    next: () => {
      const first = held.shift();
      return first === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(first);
    },
  };
}

/** The next `count` events of clients. */
function clientEvents(broker: Broker, count: number): Promise<string[]> {
  const seen: string[] = [];
  return new Promise((resolve) => {
    broker.onClient(({ type, clientId }: ClientEvent) => {
      seen.push(`${clientId} ${type}`);
      if (seen.length === count) resolve(seen);
    });
  });
}

function testInterceptors(name: string, start: StartBench): void {
  for (const qos of [1, 2] as const) {
    clause(start, `${name}: the acknowledgement at QoS ${qos} waits until the interceptor settles`, async () => {
      await using bench = await start();
      const holding = holdAll(bench.broker, "/data/#");
      const watcher = await subscribed(await bench.connect("watcher"), "/data/#");
      const client = await bench.connect("c");
      let isAcknowledged = false;
      const publishing = client.publish(message("/data/a", "1", qos)).then(() => (isAcknowledged = true));
      const { publish, settle } = await holding.next();
      expect({ ...publish, payload: textOf(publish) }).toEqual(
        expect.objectContaining({ clientId: "c", topic: "/data/a", payload: "1", qos, retain: false }),
      );
      await client.subscribe("round/trip");
      expect(isAcknowledged).toBe(false);
      expect(watcher.texts).toEqual([]);
      settle({ type: "pass" });
      await publishing;
      await watcher.until(1);
      expect(watcher.texts).toEqual(["1"]);
    });
  }

  clause(start, `${name}: what is taken is acknowledged, routed to nobody and not retained`, async () => {
    await using bench = await start();
    bench.broker.intercept("k/#", (_publish, settle) => settle({ type: "take" }));
    const watcher = await subscribed(await bench.connect("watcher"), "#");
    const inside = new Inbox();
    bench.broker.subscribe("#", inside.take);
    const client = await bench.connect("c");
    for (const qos of [0, 1, 2] as const) await client.publish(message("k/x", "taken", qos, true));
    await client.publish(message("other", "passed"));
    await watcher.until(1);
    expect(watcher.texts).toEqual(["passed"]);
    expect(inside.texts).toEqual(["passed"]);
    expect(bench.broker.stats()).toMatchObject({ publishesIn: 4, publishesTaken: 3, retained: 0 });
  });

  clause(start, `${name}: a refused publisher is closed after the stated time, unacknowledged`, async () => {
    await using bench = await start();
    const refused = Promise.withResolvers<void>();
    bench.broker.intercept("#", (_publish, settle) => {
      settle({ type: "refuse", reason: "full" });
      refused.resolve();
    });
    const client = await bench.connect("c");
    let isClosed = false;
    void client.closed.then(() => (isClosed = true));
    const publishing = expect(client.publish(message("a", "1"))).rejects.toThrow(Error);
    await refused.promise;
    await bench.clock.advance(limits.refusedPublishHoldMs - 1);
    expect(await client.subscribe("round/trip")).toBe(true);
    expect(isClosed).toBe(false);
    await bench.clock.advance(1);
    await client.closed;
    await publishing;
    expect(bench.broker.stats().publishesRefused).toBe(1);
    expect(bench.clock.sleepers).toBe(0);
  });

  clause(start, `${name}: a publish refused with "now" closes the connection at once`, async () => {
    await using bench = await start();
    bench.broker.intercept("#", (_publish, settle) => settle({ type: "refuse", reason: "bad", now: true }));
    const client = await bench.connect("c");
    await expect(client.publish(message("a", "1"))).rejects.toThrow(Error);
    await client.closed;
    expect(bench.clock.sleepers).toBe(0);
  });

  clause(start, `${name}: a refused QoS 0 publish is dropped and counted, and the connection stays`, async () => {
    await using bench = await start();
    bench.broker.intercept("bad", (_publish, settle) => settle({ type: "refuse", reason: "bad", now: true }));
    const watcher = await subscribed(await bench.connect("watcher"), "#");
    const client = await bench.connect("c");
    await client.publish(message("bad", "1", 0));
    await client.publish(message("good", "2"));
    await watcher.until(1);
    expect(watcher.texts).toEqual(["2"]);
    expect(bench.broker.stats().publishesRefused).toBe(1);
  });

  clause(
    start,
    `${name}: interceptors are asked in order of registration, only where they match, until one does not pass`,
    async () => {
      await using bench = await start();
      const asked: string[] = [];
      const note =
        (label: string, verdict: Verdict) => (_publish: InboundPublish, settle: (verdict: Verdict) => void) => {
          asked.push(label);
          settle(verdict);
        };
      bench.broker.intercept("a/#", note("first", { type: "pass" }));
      bench.broker.intercept("b/#", note("elsewhere", { type: "take" }));
      const removed = bench.broker.intercept("#", note("removed", { type: "take" }));
      bench.broker.intercept("a/+", note("second", { type: "take" }));
      bench.broker.intercept("a/x", note("behind", { type: "pass" }));
      removed[Symbol.dispose]();
      const client = await bench.connect("c");
      await client.publish(message("a/x", "1"));
      expect(asked).toEqual(["first", "second"]);
    },
  );

  clause(start, `${name}: an interceptor that throws is logged, and what it saw is refused`, async () => {
    await using bench = await start();
    bench.broker.intercept("#", () => {
      throw new Error("bug");
    });
    expect(await bench.broker.inject(message("a", "1"))).toMatchObject({ type: "refuse" });
    expect(bench.log.lines.filter(({ level }) => level === "error")).toHaveLength(1);
  });

  clause(start, `${name}: inject meets the interceptors, publish does not`, async () => {
    await using bench = await start();
    const seen: (string | null)[] = [];
    bench.broker.intercept("#", (publish, settle) => {
      seen.push(`${publish.clientId} ${textOf(publish)} ${publish.timeMs}`);
      settle(textOf(publish) === "no" ? { type: "take" } : { type: "pass" });
    });
    const watcher = await subscribed(await bench.connect("watcher"), "a");
    const inside = new Inbox();
    bench.broker.subscribe("a", inside.take);
    expect(await bench.broker.inject({ ...message("a", "yes"), timeMs: 7 })).toEqual({ type: "pass" });
    expect(await bench.broker.inject(message("a", "no"))).toEqual({ type: "take" });
    await bench.broker.publish(message("a", "own"));
    await watcher.until(2);
    expect(watcher.texts).toEqual(["yes", "own"]);
    expect(inside.texts).toEqual(["yes", "own"]);
    expect(seen).toEqual(["null yes 7", "null no undefined"]);
  });

  clause(start, `${name}: a message that is no topic name is refused with a code`, async () => {
    await using bench = await start();
    const invalid = expect.objectContaining({ code: "FOGBANK_TOPIC_INVALID" });
    await expect(bench.broker.publish(message("a/#", "1"))).rejects.toThrow(invalid);
    await expect(bench.broker.inject(message("", "1"))).rejects.toThrow(invalid);
    expect(() => bench.broker.subscribe("a#", () => {})).toThrow(invalid);
  });
}

function testRouting(name: string, start: StartBench): void {
  clause(
    start,
    `${name}: messages of one publisher on one topic arrive in order, at every QoS, held or not`,
    async () => {
      await using bench = await start();
      bench.broker.intercept("#", (publish, settle) => {
        if (publish.retain) void Promise.resolve().then(() => settle({ type: "pass" }));
        else settle({ type: "pass" });
      });
      for (const qos of [0, 1, 2] as const) {
        const watcher = await subscribed(await bench.connect(`watcher${qos}`), `t/${qos}`, qos);
        const client = await bench.connect(`c${qos}`);
        const sent = Array.from({ length: 300 }, (_, at) => String(at));
        await Promise.all(sent.map((text) => client.publish(message(`t/${qos}`, text, qos))));
        await watcher.until(sent.length);
        expect(watcher.texts).toEqual(sent);
      }
    },
  );

  clause(start, `${name}: QoS 0 and QoS 1 interleaved, from inside and from a client: nothing is lost`, async () => {
    await using bench = await start();
    const watcher = await subscribed(await bench.connect("watcher"), "mixed/#", 1);
    const client = await bench.connect("c");
    const sending: Promise<void>[] = [];
    for (let at = 0; at < 1_000; at++) {
      const qos = at % 2 === 0 ? 0 : 1;
      await bench.broker.publish(message("mixed/inside", `i${at}`, qos));
      sending.push(client.publish(message("mixed/client", `c${at}`, qos)));
    }
    await Promise.all(sending);
    await watcher.until(2_000);
    expect(new Set(watcher.texts).size).toBe(2_000);
    const inside = watcher.texts.filter((text) => text.startsWith("i"));
    expect(inside).toEqual(Array.from({ length: 1_000 }, (_, at) => `i${at}`));
  });

  clause(
    start,
    `${name}: wildcards match as they should, and not topics that start with $ [MQTT-4.7.2-1]`,
    async () => {
      await using bench = await start();
      const all = await subscribed(await bench.connect("all"), "#");
      const plus = await subscribed(await bench.connect("plus"), "+/b");
      const below = await subscribed(await bench.connect("below"), "a/#");
      for (const topic of ["$fog/b", "a", "a/b", "/b", "$SYS/x"]) await bench.broker.publish(message(topic, topic));
      await bench.broker.publish(message("a/end", "end"));
      await Promise.all([all.until(4), plus.until(2), below.until(3)]);
      expect(all.texts).toEqual(["a", "a/b", "/b", "end"]);
      expect(plus.texts).toEqual(["a/b", "/b"]);
      expect(below.texts).toEqual(["a", "a/b", "end"]);
    },
  );

  clause(start, `${name}: the QoS of a delivery is the lower of publish and subscription [MQTT-3.8.4-6]`, async () => {
    await using bench = await start();
    await bench.broker.publish(message("q/kept", "kept", 2, true));
    const client = await bench.connect("c");
    const inbox = await subscribed(client, "q/#", 1);
    for (const qos of [0, 1, 2] as const) await bench.broker.publish(message("q/x", `qos ${qos}`, qos));
    await inbox.until(4);
    const qosByText = Object.fromEntries(inbox.messages.map((arrived) => [textOf(arrived), arrived.qos]));
    expect(qosByText).toEqual({ kept: 1, "qos 0": 0, "qos 1": 1, "qos 2": 1 });
  });

  clause(start, `${name}: overlapping filters deliver at the highest QoS asked for [MQTT-3.3.5-1]`, async () => {
    await using bench = await start();
    const client = await bench.connect("c");
    const inbox = await subscribed(client, "o/#", 0);
    for (const filter of ["o/a", "+/b"]) expect(await client.subscribe(filter, 1)).toBe(true);
    for (const topic of ["o/a", "o/b", "o/end"]) await bench.broker.publish(message(topic, topic));
    while (!inbox.texts.includes("o/end")) await inbox.until(inbox.messages.length + 1);
    for (const topic of ["o/a", "o/b"]) {
      const arrived = inbox.messages.filter((one) => one.topic === topic);
      expect(Math.max(...arrived.map(({ qos }) => qos))).toBe(1);
    }
  });

  clause(
    start,
    `${name}: the last retained message awaits new subscribers until it is cleared [MQTT-3.3.1-6]`,
    async () => {
      await using bench = await start();
      const client = await bench.connect("c");
      await client.publish(message("r/a", "old", 1, true));
      await client.publish(message("r/a", "new", 1, true));
      await bench.broker.publish(message("r/b", "own", 0, true));
      await client.publish(message("r/c", "gone", 1, true));
      await client.publish(message("r/c", "", 1, true));
      const inbox = await subscribed(await bench.connect("late"), "r/+");
      await inbox.until(2);
      expect(inbox.texts.toSorted()).toEqual(["new", "own"]);
      expect(inbox.messages.every(({ retain }) => retain)).toBe(true);
      await bench.broker.publish(message("r/a", "live", 1, true));
      await inbox.until(3);
      expect(inbox.messages[2]).toMatchObject({ retain: false });
      expect(bench.broker.stats().retained).toBe(2);
    },
  );

  clause(start, `${name}: hasSubscriber tells the truth`, async () => {
    await using bench = await start();
    const { broker } = bench;
    const truth = () => [broker.hasSubscriber("a/b"), broker.hasSubscriberBelow("a"), broker.hasSubscriber("c")];
    expect(truth()).toEqual([false, false, false]);
    const first = await bench.connect("first");
    await first.subscribe("a/+");
    expect(truth()).toEqual([true, true, false]);
    await first.unsubscribe("a/+");
    expect(truth()).toEqual([false, false, false]);
    await first.subscribe("#");
    expect(truth()).toEqual([true, true, true]);
    expect(broker.hasSubscriber("$SYS/x")).toBe(false);
    const gone = clientEvents(broker, 1);
    await first.drop();
    await gone;
    expect(truth()).toEqual([false, false, false]);
    const inside = broker.subscribe("a/b/c", () => {});
    expect(truth()).toEqual([false, true, false]);
    inside[Symbol.dispose]();
    expect(truth()).toEqual([false, false, false]);
  });
}

function testClients(name: string, start: StartBench): void {
  clause(
    start,
    `${name}: a will is published when the connection breaks, through the interceptors [MQTT-3.1.2-8]`,
    async () => {
      await using bench = await start();
      const judged: string[] = [];
      bench.broker.intercept("will/#", (publish, settle) => {
        judged.push(`${publish.clientId} ${publish.topic}`);
        settle(publish.topic === "will/no" ? { type: "refuse", reason: "no" } : { type: "pass" });
      });
      const watcher = await subscribed(await bench.connect("watcher"), "will/#");
      const refused = await bench.connect("refused", { will: message("will/no", "bye") });
      const passed = await bench.connect("passed", { will: message("will/yes", "bye") });
      await refused.drop();
      await passed.drop();
      await watcher.until(1);
      expect(watcher.messages.map(({ topic }) => topic)).toEqual(["will/yes"]);
      expect(new Set(judged)).toEqual(new Set(["passed will/yes", "refused will/no"]));
    },
  );

  clause(start, `${name}: no will after a clean goodbye [MQTT-3.1.2-10]`, async () => {
    await using bench = await start();
    const watcher = await subscribed(await bench.connect("watcher"), "#");
    const client = await bench.connect("c", { will: message("will/c", "bye") });
    const gone = clientEvents(bench.broker, 1);
    await client.disconnect();
    expect(await gone).toEqual(["c disconnected"]);
    await bench.broker.publish(message("marker", "marker"));
    await watcher.until(1);
    expect(watcher.texts).toEqual(["marker"]);
  });

  clause(start, `${name}: a newer connection with the same client id closes the older one [MQTT-3.1.4-2]`, async () => {
    await using bench = await start();
    const events = clientEvents(bench.broker, 3);
    const older = await bench.connect("same");
    const newer = await bench.connect("same");
    await older.closed;
    expect(await events).toEqual(["same connected", "same disconnected", "same connected"]);
    const inbox = await subscribed(newer, "a");
    await bench.broker.publish(message("a", "1"));
    await inbox.until(1);
    expect(bench.broker.clients().map(({ clientId }) => clientId)).toEqual(["same"]);
  });

  clause(start, `${name}: disconnect(clientId) breaks the connection`, async () => {
    await using bench = await start();
    const client = await bench.connect("c");
    expect(bench.broker.clients()).toMatchObject([{ clientId: "c", connectedSinceMs: bench.clock.now() }]);
    const gone = clientEvents(bench.broker, 1);
    bench.broker.disconnect("c");
    bench.broker.disconnect("nobody");
    await client.closed;
    expect(await gone).toEqual(["c disconnected"]);
    expect(bench.broker.clients()).toEqual([]);
  });

  clause(start, `${name}: the authorizer's no holds for connecting, publishing and subscribing`, async () => {
    await using bench = await start({
      ...treeAuthorizer,
      connect: ({ username }, password) =>
        (username === "u" && password !== undefined && new TextDecoder().decode(password) === "p") || {
          refused: "credentials",
          reason: "who are you?",
        },
    });
    await expect(bench.connect("c", { username: "u", password: "wrong" })).rejects.toThrow(Error);
    await expect(bench.connect("c")).rejects.toThrow(Error);
    expect(bench.broker.stats().connectionsRefused).toBe(2);
    const right = { username: "u", password: "p" };
    const fog = await bench.connect("fog-1", right);
    expect(await fog.subscribe("$fog/dn/fog-2/#")).toBe(false);
    expect(await fog.subscribe("$fog/#")).toBe(false);
    expect(await fog.subscribe("$fog/dn/fog-1/#")).toBe(true);
    expect(bench.broker.hasSubscriber("$fog/dn/fog-2/h")).toBe(false);
    await fog.publish(message("$fog/up/fog-1/h", "mine"));
    const seen = new Inbox();
    bench.broker.subscribe("#", seen.take);
    bench.broker.subscribe("$fog/up/#", seen.take);
    await fog.publish(message("/from/x/data/y", "forged", 0));
    await expect(fog.publish(message("$fog/up/fog-2/h", "forged"))).rejects.toThrow(Error);
    await fog.closed;
    expect(seen.texts).toEqual([]);
  });

  clause(start, `${name}: 200 clients vanish at once, each will is published once, and the broker lives`, async () => {
    await using bench = await start();
    const wills = new Inbox();
    bench.broker.subscribe("gone/#", wills.take);
    const clients: MemoryClient[] = [];
    for (let at = 0; at < 200; at++) clients.push(await bench.connect(`c${at}`, { will: message(`gone/${at}`, "") }));
    await clients[0]?.subscribe("#");
    expect(bench.broker.stats().connections).toBe(200);
    const gone = clientEvents(bench.broker, 200);
    await Promise.all(clients.map((client) => client.drop()));
    await Promise.all([gone, wills.until(200)]);
    expect(new Set(wills.messages.map(({ topic }) => topic)).size).toBe(200);
    expect(bench.broker.clients()).toEqual([]);
    expect(bench.broker.hasSubscriber("a")).toBe(false);
    const again = await bench.connect("again");
    const inbox = await subscribed(again, "a");
    await again.publish(message("a", "alive"));
    await inbox.until(1);
    expect(inbox.texts).toEqual(["alive"]);
  });

  clause(start, `${name}: disposing closes every connection, publishes no will, and can be awaited`, async () => {
    const bench = await start();
    const wills = new Inbox();
    bench.broker.subscribe("gone/#", wills.take);
    const client = await bench.connect("c", { will: message("gone/c", "") });
    await bench[Symbol.asyncDispose]();
    await client.closed;
    expect(wills.texts).toEqual([]);
    await expect(bench.connect("late")).rejects.toThrow(Error);
  });
}

export function testBroker(name: string, start: StartBench): void {
  testInterceptors(name, start);
  testRouting(name, start);
  testClients(name, start);
}
