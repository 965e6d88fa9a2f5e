// The calls of the told outage: every device is asked for a sign of life, from the cloud, and the answer told in a line.
import { exchangeCall } from "#agent/cli/call-exchange.ts";
import { readMachineReply, type CallReport } from "#agent/cli/call-reply.ts";
import { systemClock } from "#agent/system/system-clock.ts";
import { systemRandom } from "#agent/system/system-random.ts";
import { drawCallId } from "#shared/machine/call-id.ts";
import { functionTopic, machineReplyTopic } from "#shared/topics.ts";
import type { TreeSample } from "./observe.ts";
import { formatTime } from "./text-style.ts";

const ttlSeconds = 5;
const namesMax = 3;

export interface DemoCall {
  readonly report: CallReport;
  readonly tookMs: number;
}

/** Calls `ping` on every device, at the node whose broker listens on `port`. Rejects when the call is refused or not answered. */
export async function pingDevices(port: number, signal: AbortSignal): Promise<DemoCall> {
  const id = drawCallId(systemRandom);
  const startedMs = performance.now();
  const target = { host: "127.0.0.1", port };
  const { reply } = await exchangeCall({ clock: systemClock, signal }, target, {
    topic: functionTopic("ping"),
    request: { id, if: "level == 'device'", ttl: ttlSeconds },
    replyTopic: machineReplyTopic(id),
    ttlMs: ttlSeconds * 1000,
    take(payload) {
      const answer = readMachineReply(payload);
      return answer.reply.final ? answer : undefined;
    },
  });
  if ("error" in reply) throw new Error(`the call was refused: ${reply.error.message}`);
  return { report: reply, tookMs: performance.now() - startedMs };
}

/** Whether exactly so many devices answered, and nobody is missing. */
export function reachedAll({ report: { counts, waiting } }: DemoCall, devices: number): boolean {
  return counts.matched === devices && counts.done === devices && waiting.length === 0;
}

/** `call: 2 matched, 2 done in 8 ms`, `call: 0 matched; not heard: fog-1 since 10:22:31` */
export function callSentence({ report: { counts, waiting }, tookMs }: DemoCall): string {
  const done = counts.done === 0 ? "" : `, ${counts.done} done in ${Math.round(tookMs)} ms`;
  const others = counts.matched - counts.done;
  const unheard = waiting
    .slice(0, namesMax)
    .map(({ node, since }) => `${node} since ${formatTime(Date.parse(since))}`)
    .join(", ");
  const more = waiting.length > namesMax ? ` and ${waiting.length - namesMax} more` : "";
  return [
    `call: ${counts.matched} matched${done}${others === 0 ? "" : `, ${others} not done`}`,
    ...(unheard === "" ? [] : [`not heard: ${unheard}${more}`]),
  ].join("; ");
}

/** Whether a call at the cloud reaches every device now: each node says that it is linked, and the cloud has heard so. */
export function isWhole({ fog, devices }: TreeSample): boolean {
  return [fog, ...devices].every(
    ({ uplink, seenByCloud }) => uplink?.state === "up" && seenByCloud?.state === "online",
  );
}
