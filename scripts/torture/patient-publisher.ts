// Publishes to a node that has no room now and then, one message after the other, and repeats each until it is acknowledged. A refusal
// must come in MQTT 5 as reason 0x97, in 3.1.1 as a PUBACK that is withheld until the connection is closed, and neither late.
import { connect, type MqttClient } from "mqtt";
import { limits } from "#shared/limits.ts";
import type { CountingPublisher } from "./counting-publisher.ts";
import type { MessagePlan } from "./message-plan.ts";

export interface PatientPublisher extends CountingPublisher {
  /** Hurries as long as it is true, to fill what there is; else a message now and then. */
  hurries: boolean;
  /** Times that there was no room: 0x97, or a connection closed after the publish was held. */
  refusals(): number;
  readonly repeated: ReadonlySet<number>;
  readonly faults: readonly string[];
}

type Outcome = "acknowledged" | "refused" | "closed" | "silence";

const quotaExceeded = 0x97;
const reconnectMs = 50;
const refusedPauseMs = 200;
const calmPauseMs = 400;
/** A machine on which seven processes start over and over answers late. */
const slackMs = 10_000;
/** For the last message, while the node makes room. */
const lastMsMax = 60_000;

/** To the broker at `port`, at QoS 1, until it is stopped. Connects anew whenever the connection is gone. */
export function patientPublisher(port: number, plan: MessagePlan, protocolVersion: 4 | 5): PatientPublisher {
  const acknowledged = new Set<number>();
  const repeated = new Set<number>();
  const faults: string[] = [];
  let number = 1;
  let refusals = 0;
  let isPending = false;
  let stopAtMs = Number.POSITIVE_INFINITY;
  const isDone = (): boolean => stopAtMs < performance.now() || (stopAtMs < Number.POSITIVE_INFINITY && !isPending);
  const finished = run();
  const publisher: PatientPublisher = {
    plan,
    acknowledged,
    repeated,
    faults,
    hurries: false,
    refusals: () => refusals,
    sent: () => (isPending ? number : number - 1),
    async stop() {
      stopAtMs = performance.now() + lastMsMax;
      await finished;
      if (isPending)
        faults.push(`${plan.publisher}: message ${number} was not taken in ${lastMsMax / 1000} s after all was whole`);
    },
  };
  return publisher;

  async function run(): Promise<void> {
    await pause(0); // until `publisher` is there
    while (!isDone()) {
      const options = { host: "127.0.0.1", port, clientId: plan.publisher, protocolVersion } as const;
      const client = connect({ ...options, protocol: "mqtt", reconnectPeriod: 0, clean: true });
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
    while (!isDone()) {
      const startMs = performance.now();
      isPending = true;
      const outcome = await publish(client, closed);
      const tookMs = performance.now() - startMs;
      if (outcome === "silence")
        faults.push(`${plan.publisher}: message ${number} had neither answer nor end after ${Math.round(tookMs)} ms`);
      if (outcome === "acknowledged") {
        acknowledged.add(number++);
        isPending = false;
      } else if (outcome === "refused") refusals++;
      else {
        repeated.add(number);
        if (protocolVersion === 4 && tookMs > limits.refusedPublishHoldMs * 0.9) refusals++;
        return;
      }
      if (outcome === "refused") await pause(refusedPauseMs);
      else if (!publisher.hurries) await Promise.race([closed, pause(calmPauseMs)]);
    }
  }

  async function publish(client: MqttClient, closed: Promise<"closed">): Promise<Outcome> {
    const { topic, payload } = plan.message(number);
    const late = Promise.withResolvers<"silence">();
    const timer = setTimeout(() => late.resolve("silence"), limits.refusedPublishHoldMs + slackMs);
    const settled = client.publishAsync(topic, payload, { qos: 1 }).then(
      () => "acknowledged" as const,
      (error: unknown) => (isQuota(error) ? ("refused" as const) : closed),
    );
    try {
      return await Promise.race([settled, closed, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function isQuota(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === quotaExceeded;
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
