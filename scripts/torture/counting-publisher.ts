// Publishes a plan's messages in order, in bursts and trickles, and writes down which were acknowledged. It never repeats one: what
// was under way when a connection broke may or may not have been stored, and its number is not used again.
import { connect, type MqttClient } from "mqtt";
import type { MessagePlan } from "./message-plan.ts";
import type { Seeded } from "./seeded.ts";

export interface CountingPublisher {
  readonly plan: MessagePlan;
  /** Numbers whose PUBACK has arrived. */
  readonly acknowledged: ReadonlySet<number>;
  /** Numbers that were published again although nobody knows whether they had been stored: none when absent. */
  readonly repeated?: ReadonlySet<number>;
  /** Numbers that were sent at all: 1 to this. */
  sent(): number;
  /** Stops sending; resolves when what was under way is settled. */
  stop(): Promise<void>;
}

const reconnectMs = 50;

/** Publishes at QoS 1 to the broker at `port` until it is stopped, reconnecting whenever the connection is gone. */
export function countingPublisher(port: number, plan: MessagePlan, random: Seeded): CountingPublisher {
  const acknowledged = new Set<number>();
  const state = { next: 1, stopping: false };
  const finished = run();
  return {
    plan,
    acknowledged,
    sent: () => state.next - 1,
    async stop() {
      state.stopping = true;
      await finished;
    },
  };

  async function run(): Promise<void> {
    while (!state.stopping) {
      const client = connect({
        host: "127.0.0.1",
        port,
        clientId: plan.publisher,
        protocol: "mqtt",
        protocolVersion: 4,
        reconnectPeriod: 0,
        clean: true,
      });
      client.on("error", () => undefined);
      await session(client);
      client.end(true);
      await pause(reconnectMs);
    }
  }

  async function session(client: MqttClient): Promise<void> {
    const closed = new Promise<"closed">((resolve) => client.once("close", () => resolve("closed")));
    const opened = new Promise<"opened">((resolve) => client.once("connect", () => resolve("opened")));
    if ((await Promise.race([opened, closed])) === "closed") return;
    let isOpen = true;
    void closed.then(() => (isOpen = false));
    const underWay = new Set<Promise<unknown>>();
    while (isOpen && !state.stopping) {
      const { messages, outstanding, pauseMs } = nextPhase(random);
      for (let sent = 0; sent < messages && isOpen && !state.stopping; sent++) {
        publishNext(client, underWay);
        if (underWay.size >= outstanding) await Promise.race([closed, ...underWay]);
      }
      await Promise.race([closed, pause(pauseMs)]);
    }
    await Promise.race([closed, Promise.all(underWay)]);
  }

  function publishNext(client: MqttClient, underWay: Set<Promise<unknown>>): void {
    const number = state.next++;
    const { topic, payload } = plan.message(number);
    const settled = client.publishAsync(topic, payload, { qos: 1 }).then(
      () => acknowledged.add(number),
      () => undefined,
    );
    underWay.add(settled);
    void settled.finally(() => underWay.delete(settled));
  }
}

/** A burst, or a few messages one after the other. */
export function nextPhase(random: Seeded): {
  readonly messages: number;
  readonly outstanding: number;
  readonly pauseMs: number;
} {
  if (random.unit() < 0.3)
    return { messages: random.between(50, 300), outstanding: 100, pauseMs: random.between(0, 400) };
  return { messages: random.between(1, 10), outstanding: random.between(1, 5), pauseMs: random.between(5, 80) };
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
