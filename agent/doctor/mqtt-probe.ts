// One short connection to the parent's broker, as a client that is no node; asks it for its time if it lets us.
import type { MqttClient } from "mqtt";
import { limits } from "#shared/limits.ts";
import type { Clock } from "#shared/system/clock.ts";
import { levelFunctionPrefix, levelReplyTopic } from "#shared/topics.ts";
import { within } from "../client/deadline.ts";
import { readNodeAnswer } from "../cli/call-reply.ts";
import type { TlsFiles } from "../link/secured-socket.ts";
import { loadMqtt } from "../system/mqtt-library.ts";
import type { ClockDifference } from "./clock.ts";
import type { MqttFacts } from "./parent.ts";

/** In whose name the answer comes: one that no node uses. */
const caller = "fogbank-doctor";
const answerMsMax = 2_000;

export interface ProbedBroker {
  readonly facts: MqttFacts;
  readonly difference?: ClockDifference;
}

/** `id`: 32 hexadecimal digits, drawn at random. Rejects with the signal's reason alone. */
export async function tryMqtt(
  clock: Clock,
  { host, port }: { readonly host: string; readonly port: number },
  files: TlsFiles | undefined,
  id: string,
  signal: AbortSignal,
): Promise<ProbedBroker> {
  const connect = await loadMqtt();
  signal.throwIfAborted();
  const client = connect({
    ...(files === undefined
      ? { protocol: "mqtt" as const }
      : { ...files, protocol: "mqtts" as const, rejectUnauthorized: true }),
    host,
    port,
    // No node's name has a "!" but before the "b" of its second connection.
    clientId: `${caller}!${id.slice(0, 8)}`,
    protocolVersion: 4,
    clean: true,
    keepalive: limits.keepaliveSeconds,
    connectTimeout: limits.connectTimeoutMs,
    reconnectPeriod: 0,
  });
  const abort = (): void => void client.end(true);
  signal.addEventListener("abort", abort, { once: true });
  try {
    const facts = await connected(client);
    signal.throwIfAborted();
    if (facts.outcome !== "accepted") return { facts };
    const difference = await askTime(clock, client, id).catch(() => undefined);
    return { facts, ...(difference && { difference }) };
  } finally {
    signal.removeEventListener("abort", abort);
    client.end(!client.connected);
  }
}

/** What the first of CONNACK, error and close says. */
function connected(client: MqttClient): Promise<MqttFacts> {
  return new Promise((resolve) => {
    client.once("connect", () => resolve({ outcome: "accepted" }));
    client.on("error", (error) => {
      const code = "code" in error && typeof error.code === "number" ? { code: error.code } : {};
      const text = "code" in error && error.message === "" ? String(error.code) : error.message;
      resolve({ outcome: "refused", ...code, reason: text });
    });
    client.once("close", () => resolve({ outcome: "refused", reason: "it closed the connection" }));
  });
}

/** Rejects when it does not tell. */
async function askTime(clock: Clock, client: MqttClient, id: string): Promise<ClockDifference> {
  const reply = levelReplyTopic(caller, id);
  await client.subscribeAsync(reply, { qos: 0 });
  const sentMs = clock.monotonic();
  const answered = new Promise<Uint8Array>((resolve) => client.once("message", (_topic, payload) => resolve(payload)));
  await client.publishAsync(`${levelFunctionPrefix}ping`, JSON.stringify({ id, args: null, reply }), { qos: 0 });
  const payload = await within(clock, answerMsMax, answered, () => new Error("no answer"));
  const tookMs = clock.monotonic() - sentMs;
  const { node, value } = readNodeAnswer(payload).reply;
  return differenceOf(node, value, clock.now(), tookMs);
}

/** `value`: what the function ping answers. Throws when it has no time. */
export function differenceOf(node: string, value: unknown, nowMs: number, tookMs: number): ClockDifference {
  const time = typeof value === "object" && value !== null && "time" in value ? value.time : undefined;
  const thereMs = Date.parse(String(time));
  if (Number.isNaN(thereMs)) throw new Error("the answer has no time");
  return { node, aheadMs: Math.round(thereMs - (nowMs - tookMs / 2)), uncertainMs: tookMs / 2 };
}
