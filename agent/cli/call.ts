// `fogbank call`: calls a function on the machines from a node downward, or on the level of that node alone, and waits for the one
// final reply.
import { Command, Option } from "commander";
import { parseCondition } from "#shared/condition/condition.ts";
import { FogbankError } from "#shared/errors.ts";
import { parseNodeName } from "#shared/ids.ts";
import { limits } from "#shared/limits.ts";
import { drawCallId } from "#shared/machine/call-id.ts";
import { isFunctionName } from "#shared/machine/envelope.ts";
import type { Random } from "#shared/system/random.ts";
import { functionTopic, levelFunctionPrefix, levelReplyTopic, machineReplyTopic } from "#shared/topics.ts";
import { CommandFailure, exitWith, runAction } from "./action.ts";
import { type MqttTarget, mqttOption } from "./addresses.ts";
import { exchangeCall } from "./call-exchange.ts";
import { callLevels, levelsOption } from "./call-levels.ts";
import { type MachineReply, type Read, readLevelReply, readMachineReply } from "./call-reply.ts";
import { isSuccess, progressText, renderAnswers, renderReport } from "./call-view.ts";
import type { CliIo } from "./io.ts";
import { parseJsonArgument } from "./json-argument.ts";
import { parseSeconds } from "./parse-seconds.ts";
import { withProgressLine } from "./progress-line.ts";
import { printable, textStyleOf } from "./text-style.ts";

interface CallOptions {
  readonly on?: string;
  readonly if?: string;
  readonly ttl: number;
  readonly mqtt: MqttTarget;
  readonly json?: true;
  readonly level?: true;
  readonly levels?: readonly string[];
  readonly sequential?: true;
}

/** In whose name answers of a level come: one that no node uses. */
const levelCaller = "fogbank-call";

/**
 * Ends with commander's CommanderError: exit code 1 when not every matching node is done or somebody was not heard, when the call
 * is refused and when nobody answers, of several levels when not all have
 * succeeded (with --sequential: none), 2 for usage, 3 when not connected, 130 when interrupted.
 */
export function callCommand(io: CliIo, random: Random): Command {
  return new Command("call")
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
}

interface Request {
  readonly id: string;
  readonly args: unknown;
  /** Seconds. */
  readonly ttl: number;
}

async function callMachines(io: CliIo, options: CallOptions, name: string, request: Request): Promise<void> {
  const condition = conditionOf(options);
  const style = textStyleOf(io);
  const { raw, reply } = await withProgressLine(io, options.json, "called, not heard of anybody yet", (show) =>
    exchangeCall<Read<MachineReply>>(io, options.mqtt, {
      topic: functionTopic(name),
      request: { ...request, if: condition },
      replyTopic: machineReplyTopic(request.id),
      ttlMs: options.ttl * 1000,
      take(payload) {
        const answer = readMachineReply(payload);
        if (answer.reply.final) return answer;
        if ("counts" in answer.reply) show(progressText(answer.reply, style));
        return undefined;
      },
    }),
  );
  if (options.json) io.stdout(`${JSON.stringify(raw)}\n`);
  if ("error" in reply) throw new CommandFailure("FOGBANK_CALL_REFUSED", printable(reply.error.message));
  if (!options.json) io.stdout(renderReport(reply, textStyleOf(io), new Date(io.clock.now()).toISOString()));
  if (!isSuccess(reply)) exitWith(1);
}

async function callLevel(io: CliIo, options: CallOptions, name: string, request: Request): Promise<void> {
  const replyTopic = levelReplyTopic(levelCaller, request.id);
  const { raw, reply } = await exchangeCall(io, options.mqtt, {
    topic: `${levelFunctionPrefix}${name}`,
    request: { ...request, reply: replyTopic },
    replyTopic,
    ttlMs: options.ttl * 1000,
    take: readLevelReply,
  });
  io.stdout(options.json ? `${JSON.stringify(raw)}\n` : renderAnswers([reply], textStyleOf(io)));
  if (reply.status !== "done") exitWith(1);
}

function conditionOf({ on, if: condition = "" }: CallOptions): string {
  if (on === undefined) return condition;
  const isNode = `name == '${parseNodeName(on)}'`;
  // By itself first: within the parentheses the positions of its faults, and their meaning, would be others.
  const parsed = parseCondition(condition);
  if ("error" in parsed) {
    const { message, position } = parsed.error;
    throw new CommandFailure(
      "FOGBANK_CALL_REFUSED",
      `the condition cannot be used: line ${position.line}, column ${position.column}: ${message}`,
    );
  }
  // A line of its own: it may end with a comment.
  return parsed.ok.tree === undefined ? isNode : `${isNode} && (${condition}\n)`;
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
