// `fogbank call`: calls a function on the machines from a node downward, or on the level of that node alone, and waits for the one
// final reply.
import { Command, Option } from "commander";
import { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import { drawCallId } from "#shared/machine/call-id.ts";
import { isFunctionName } from "#shared/machine/envelope.ts";
import type { Random } from "#shared/system/random.ts";
import { levelFunctionPrefix, levelReplyTopic } from "#shared/topics.ts";
import { exitWith, runAction } from "./action.ts";
import { mqttOption } from "./addresses.ts";
import { exchangeCall } from "./call-exchange.ts";
import { callLevels, levelsOption } from "./call-levels.ts";
import { callMachines, machineOptions, type MachineCallOptions, type Request } from "./call-machines.ts";
import { readNodeAnswer } from "./call-reply.ts";
import { renderAnswers } from "./call-view.ts";
import type { CliIo } from "./io.ts";
import { parseJsonArgument } from "./json-argument.ts";
import { parseSeconds } from "./parse-seconds.ts";
import { printable, textStyleOf } from "./text-style.ts";

interface CallOptions extends MachineCallOptions {
  readonly level?: true;
  readonly levels?: readonly string[];
  readonly sequential?: true;
}

/** In whose name answers of a level come: one that no node uses. */
const levelCaller = "fogbank-call";

/**
 * Ends with commander's CommanderError: exit code 1 when not every matching node is done or somebody was not heard, when the call
 * is refused and when nobody answers, of several levels when not all have
 * succeeded (with --sequential: none), 2 for usage, 3 when not connected, 4 when with --no-wait all are done but those that are away,
 * 130 when interrupted.
 */
export function callCommand(io: CliIo, random: Random): Command {
  const call = new Command("call")
    .description("call a function on the machines below a node, and wait for the answer of all of them")
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr })
    .argument("<name>", "the function, such as ping, info, echo or log-level")
    .argument("[args-json]", "what the function is given, as JSON")
    .option("--on <node>", "only on the node of that name")
    .option("--if <condition>", "only where the condition holds, such as \"level == 'device'\"")
    .addOption(
      new Option("--ttl <seconds>", "how long the call is to live")
        .default(limits.callTtlMs / 1000)
        .argParser(parseSeconds),
    )
    .addOption(mqttOption())
    .option("--json", "print the final reply as JSON, on one line")
    .addOption(
      new Option("--level", "call the function of the node's level, which leaves the node nowhere").conflicts([
        "on",
        "if",
      ]),
    )
    .addOption(levelsOption().conflicts(["on", "level"]))
    .option("--sequential", "with --levels: one after the other, in that order, until the first one succeeds")
    .action((name: string, args: string | undefined, options: CallOptions, command: Command) =>
      runAction(command, io, async () => {
        const request = { id: drawCallId(random), args: argumentsOf(args), ttl: options.ttl };
        if (!isFunctionName(name)) throw badName(name);
        const { levels, sequential } = options;
        if (sequential && levels === undefined)
          throw new FogbankError("FOGBANK_USAGE", "--sequential goes with --levels");
        const hasTtl = command.getOptionValueSource("ttl") !== "default";
        if (levels !== undefined) await callLevels(io, { ...options, levels, hasTtl }, name, request);
        else if (options.level) await callLevel(io, options, name, request);
        else await callMachines(io, options, name, request);
      }),
    );
  for (const option of machineOptions()) call.addOption(option);
  return call;
}

async function callLevel(io: CliIo, options: CallOptions, name: string, request: Request): Promise<void> {
  const replyTopic = levelReplyTopic(levelCaller, request.id);
  const { raw, reply } = await exchangeCall(io, options.mqtt, {
    topic: `${levelFunctionPrefix}${name}`,
    request: { ...request, reply: replyTopic },
    replyTopic,
    ttlMs: options.ttl * 1000,
    take: readNodeAnswer,
  });
  io.stdout(options.json ? `${JSON.stringify(raw)}\n` : renderAnswers([reply], textStyleOf(io)));
  if (reply.status !== "done") exitWith(1);
}

function argumentsOf(text: string | undefined): unknown {
  return text === undefined ? undefined : parseJsonArgument(text, "the function's arguments");
}

function badName(name: string): FogbankError {
  return new FogbankError(
    "FOGBANK_USAGE",
    `"${printable(name.slice(0, 80))}" cannot be a function's name: use at most ${limits.functionNameChars} letters, digits, ".", "_" or "-"`,
  );
}
