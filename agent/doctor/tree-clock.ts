// The clock of the tree's root, asked through the running node: down here nobody else may use its connection.
import { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import type { StatusReport } from "#shared/reports.ts";
import { levelCallPrefix, levelReplyTopic } from "#shared/topics.ts";
import { CommandFailure } from "../cli/action.ts";
import { exchangeCall } from "../cli/call-exchange.ts";
import { readLevelsReply } from "../cli/call-reply.ts";
import type { CliIo } from "../cli/io.ts";
import type { NodeConfig } from "../config/config.ts";
import { reachableHost } from "../config/listen-address.ts";
import type { ClockDifference } from "./clock.ts";
import { differenceOf } from "./mqtt-probe.ts";

const caller = "fogbank-doctor";

/** Undefined when the node has no way up, or does not let this command ask. */
export async function askTreeClock(
  io: Pick<CliIo, "clock" | "signal">,
  { listen }: NodeConfig,
  { uplink }: StatusReport,
  id: string,
): Promise<ClockDifference | undefined> {
  const root = uplink.path.at(-1)?.node;
  const listener = listen.mqtt.find(({ transport, port }) => transport === "tcp" && port !== 0);
  if (uplink.state !== "up" || root === undefined || listener === undefined) return undefined;
  const { clock } = io;
  const replyTopic = levelReplyTopic(caller, id);
  const timeoutMs = limits.levelCallMs;
  const sentMs = clock.monotonic();
  try {
    return await exchangeCall<ClockDifference>(
      io,
      { host: reachableHost(listener.host), port: listener.port },
      {
        topic: `${levelCallPrefix}ping`,
        request: { id, args: null, levels: [root], mode: "concurrent", timeoutMs, reply: replyTopic },
        replyTopic,
        ttlMs: timeoutMs,
        take(payload) {
          const { reply } = readLevelsReply(payload);
          const outcomes = "outcomes" in reply ? reply.outcomes : [];
          const answer = outcomes.find(({ node, status }) => node === root && status === "ok");
          if (answer !== undefined) return differenceOf(root, answer.value, clock.now(), clock.monotonic() - sentMs);
          if (reply.final) throw new Error("the root did not answer");
          return undefined;
        },
      },
    );
  } catch (error) {
    io.signal.throwIfAborted();
    if (error instanceof FogbankError || error instanceof CommandFailure || error instanceof Error) return undefined;
    throw error;
  }
}
