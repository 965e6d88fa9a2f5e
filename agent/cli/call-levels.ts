// `fogbank call --levels`: a function at several levels of the path from a node to the root.
import { InvalidArgumentError, Option } from "commander";
import { isNodeName } from "#shared/ids.ts";
import { limits } from "#shared/limits.ts";
import { levelCallPrefix, levelReplyTopic } from "#shared/topics.ts";
import { CommandFailure, exitWith } from "./action.ts";
import type { MqttTarget } from "./addresses.ts";
import { exchangeCall } from "./call-exchange.ts";
import { type LevelsReply, type Read, readLevelsReply } from "./call-reply.ts";
import { renderOutcomes } from "./call-view.ts";
import type { CliIo } from "./io.ts";
import { withProgressLine } from "./progress-line.ts";
import { printable, textStyleOf } from "./text-style.ts";

/** In whose name the answers come: one that no node uses. */
const caller = "fogbank-call";

interface LevelsOptions {
  readonly levels: readonly string[];
  readonly sequential?: true;
  readonly if?: string;
  readonly mqtt: MqttTarget;
  readonly json?: true;
  /** Whether `ttl` was given, and is not that of other calls. */
  readonly hasTtl: boolean;
}

export function levelsOption(): Option {
  return new Option(
    "--levels <list>",
    "call the function at these levels or nodes, from the node upward, such as device,fog,cloud; --ttl is for each",
  ).argParser(parseLevels);
}

/** Ends with exit code 1 unless all levels have succeeded, or one when they are asked one after the other. */
export async function callLevels(
  io: CliIo,
  { levels, sequential, if: condition, mqtt, json, hasTtl }: LevelsOptions,
  name: string,
  { id, args, ttl }: { readonly id: string; readonly args: unknown; readonly ttl: number },
): Promise<void> {
  const timeoutMs = hasTtl ? Math.round(ttl * 1000) : limits.levelCallMs;
  const replyTopic = levelReplyTopic(caller, id);
  const mode = sequential ? "sequential" : "concurrent";
  const told: string[] = [];
  const { raw, reply } = await withProgressLine(io, json, "called, not heard of anybody yet", (show) =>
    exchangeCall<Read<LevelsReply>>(io, mqtt, {
      topic: `${levelCallPrefix}${name}`,
      request: { id, args, levels, mode, timeoutMs, if: condition, reply: replyTopic },
      replyTopic,
      // A level may have several nodes, and each has its time.
      ttlMs: timeoutMs * (sequential ? limits.callHops : 1),
      take(payload) {
        const answer = readLevelsReply(payload);
        if (answer.reply.final) return answer;
        for (const { node, level, status } of answer.reply.outcomes) told.push(`${node ?? level ?? "?"} ${status}`);
        show(told.join(", "));
        return undefined;
      },
    }),
  );
  if (json) io.stdout(`${JSON.stringify(raw)}\n`);
  if ("error" in reply) throw new CommandFailure("FOGBANK_CALL_REFUSED", printable(reply.error.message));
  if (!json) io.stdout(renderOutcomes(reply.outcomes, textStyleOf(io)));
  if (!reply.ok) exitWith(1);
}

function parseLevels(text: string): readonly string[] {
  const words = text.split(",");
  if (words.length <= limits.callHops && words.every(isNodeName)) return words;
  throw new InvalidArgumentError("Expected levels or names of nodes with commas between, such as device,fog,cloud.");
}
