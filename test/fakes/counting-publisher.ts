// Publishes numbered messages and writes down which were acknowledged. It never repeats one: what was under way when a connection
// broke may or may not have been stored, and its number is not used again.
import { connect, type MqttClient } from "mqtt";

export interface CountingPublisher {
  /** Numbers whose PUBACK has arrived. */
  readonly acknowledged: ReadonlySet<number>;
  /** Numbers that were sent at all. */
  sent(): number;
  /** Stops sending; resolves when what was under way is settled. */
  stop(): Promise<void>;
}

const outstandingMax = 20;
const reconnectMs = 50;

/** Publishes `{"n":…}` on `topic` at QoS 1, as fast as the acknowledgements come, but at most `perSecond`. */
export function countingPublisher(port: number, clientId: string, topic: string, perSecond: number): CountingPublisher {
  const acknowledged = new Set<number>();
  const state = { next: 1, stopping: false };
  const finished = run();
  return {
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
        clientId,
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
      while (underWay.size < outstandingMax) {
        const number = state.next++;
        const settled = client.publishAsync(topic, JSON.stringify({ n: number }), { qos: 1 }).then(
          () => acknowledged.add(number),
          () => undefined,
        );
        underWay.add(settled);
        void settled.finally(() => underWay.delete(settled));
      }
      await Promise.race([closed, pause((1000 * outstandingMax) / perSecond)]);
      if (underWay.size >= outstandingMax) await Promise.race([closed, ...underWay]);
    }
    await Promise.race([closed, Promise.all(underWay)]);
  }
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
