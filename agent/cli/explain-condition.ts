// `fogbank explain-condition TEXT`: on which nodes a condition holds, and which part of it decides. As far as the asked node can tell
// from what is reported to it, or with --ask by asking every node.
import { Command, Option } from "commander";
import { parseCondition } from "#shared/condition/condition.ts";
import { FogbankError } from "#shared/errors.ts";
import { drawCallId } from "#shared/machine/call-id.ts";
import type { ConditionVerdict } from "#shared/reports.ts";
import type { Random } from "#shared/system/random.ts";
import { functionTopic, machineReplyTopic } from "#shared/topics.ts";
import { createNodeApi } from "../client/node-api.ts";
import { byName } from "./by-name.ts";
import { CommandFailure, exitWith, runAction } from "./action.ts";
import { httpOption, mqttOption, type MqttTarget } from "./addresses.ts";
import { exchangeCall } from "./call-exchange.ts";
import { type CallReport, type MachineReply, type NodeAnswer, readMachineReply } from "./call-reply.ts";
import type { CliIo } from "./io.ts";
import { parseSeconds } from "./parse-seconds.ts";
import { type Cell, renderTable } from "./render-table.ts";
import { type Paint, printable, textStyleOf } from "./text-style.ts";

interface ExplainConditionOptions {
  readonly http: string;
  readonly ask?: true;
  readonly mqtt: MqttTarget;
  readonly ttl: number;
  readonly json?: true;
}

/** How long nodes may take to answer --ask. */
const askSeconds = 5;

/**
 * Ends with commander's CommanderError: exit code 2 for a text that is no condition, 3 when no node answers, 1 when with --ask somebody
 * did not answer.
 */
export function explainConditionCommand(io: CliIo, random: Random): Command {
  return new Command("explain-condition")
    .description("show for each node from the asked one down whether a condition holds, and why")
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr })
    .argument("<condition>", "a condition, such as \"zone == 'hall-3' && 'pump' in tags\"")
    .addOption(httpOption())
    .option("--ask", "ask every node itself, by a call; without it the asked node tells what it knows of the others")
    .addOption(mqttOption())
    .addOption(
      new Option("--ttl <seconds>", "with --ask: how long to wait for answers")
        .default(askSeconds)
        .argParser(parseSeconds),
    )
    .option("--json", "print the result as JSON, on one line")
    .action((condition: string, options: ExplainConditionOptions, command: Command) =>
      runAction(command, io, () => explain(io, random, checked(condition), options)),
    );
}

/** Rejected here, with its place, before anybody is asked. */
function checked(condition: string): string {
  const parsed = parseCondition(condition);
  if ("ok" in parsed) return condition;
  const { message, position } = parsed.error;
  throw new FogbankError(
    "FOGBANK_USAGE",
    `the condition cannot be used: line ${position.line}, column ${position.column}: ${message}`,
  );
}

async function explain(io: CliIo, random: Random, condition: string, options: ExplainConditionOptions): Promise<void> {
  const { nodes, isComplete } = options.ask
    ? await askEveryNode(io, random, condition, options)
    : { ...(await createNodeApi(io.clock, options.http).condition(condition, io.signal)), isComplete: true };
  if (options.json) io.stdout(`${JSON.stringify({ condition, nodes })}\n`);
  else io.stdout(table(nodes, io));
  if (!isComplete) exitWith(1);
}

interface Answers {
  readonly nodes: readonly ConditionVerdict[];
  /** Everybody has answered, and the reply leaves nobody out. */
  readonly isComplete: boolean;
}

async function askEveryNode(
  io: CliIo,
  random: Random,
  condition: string,
  { mqtt, ttl }: ExplainConditionOptions,
): Promise<Answers> {
  const id = drawCallId(random);
  const reply = await exchangeCall<MachineReply>(io, mqtt, {
    topic: functionTopic("explain-condition"),
    request: { id, args: condition, ttl },
    replyTopic: machineReplyTopic(id),
    ttlMs: ttl * 1000,
    take(payload) {
      const answer = readMachineReply(payload).reply;
      return answer.final ? answer : undefined;
    },
  });
  if ("error" in reply) throw new CommandFailure("FOGBANK_CALL_REFUSED", printable(reply.error.message));
  return answersOf(reply);
}

function answersOf({ results, waiting, omitted = 0, counts }: CallReport): Answers {
  const answered = results.map(verdictOf);
  const unheard = waiting.map(({ node, since }): ConditionVerdict => ({
    node,
    result: "unknown",
    why: `not heard since ${since}`,
  }));
  const left =
    omitted === 0 ? [] : [{ node: `(${omitted} more)`, result: "unknown" as const, why: "left out of the reply" }];
  const isComplete = counts.done === counts.matched && unheard.length === 0 && omitted === 0;
  return { nodes: [...answered.toSorted((a, b) => byName(a.node, b.node)), ...unheard, ...left], isComplete };
}

function verdictOf({ node, status, value, reason }: NodeAnswer): ConditionVerdict {
  if (status !== "done") return { node, result: "unknown", why: reason ?? status };
  const { result, why } =
    typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  if ((result !== "true" && result !== "false") || typeof why !== "string")
    return { node, result: "unknown", why: "its answer is none of this version" };
  return { node, result, why };
}

const paints: Readonly<Record<ConditionVerdict["result"], Paint>> = { true: "good", false: "dim", unknown: "doubtful" };

function table(nodes: readonly ConditionVerdict[], io: CliIo): string {
  const rows = nodes.map(({ node, result, why }): readonly Cell[] => [
    { text: node },
    { text: result, paint: paints[result] },
    { text: why },
  ]);
  return renderTable([{ title: "NODE" }, { title: "RESULT" }, { title: "WHY" }], rows, textStyleOf(io));
}
