// `fogbank call` without --level and --levels: a function on the machines of a tree, and what became of it.
import { InvalidArgumentError, Option } from "commander";
import { limits } from "#shared/limits.ts";
import { functionTopic, machineCancelTopic, machineReplyTopic, machineResultsTopic } from "#shared/topics.ts";
import { parsePointInTime } from "../client/point-in-time.ts";
import { CommandFailure, exitWith } from "./action.ts";
import type { MqttTarget } from "./addresses.ts";
import { type Nodes, conditionOf } from "./call-condition.ts";
import { exchangeCall } from "./call-exchange.ts";
import { type CallReport, type MachineReply, type Read, readMachineReply, readNodeAnswer } from "./call-reply.ts";
import { isAllDone, isSuccess, progressText, renderReport, renderSummary } from "./call-view.ts";
import type { CliIo } from "./io.ts";
import { withProgressLine } from "./progress-line.ts";
import { openResultsFile, type ResultsFile } from "./results-file.ts";
import { printable, textStyleOf } from "./text-style.ts";

export interface MachineCallOptions extends Nodes {
  /** Seconds. */
  readonly ttl: number;
  readonly mqtt: MqttTarget;
  readonly json?: true;
  readonly scope?: "subtree" | "machine";
  readonly sync?: true;
  /** ISO 8601 or milliseconds since 1970. */
  readonly at?: string;
  readonly minNodes?: number;
  readonly confirm?: number;
  /** A file's path. */
  readonly results?: string;
  /** False: not for those that are away. */
  readonly wait: boolean;
}

export interface Request {
  readonly id: string;
  readonly args: unknown;
  /** Seconds. */
  readonly ttl: number;
}

const exitOpen = 4;
const exitInterrupted = 130;

export function machineOptions(): readonly Option[] {
  return [
    new Option("--scope <scope>", "subtree: from the node down; machine: the whole tree").choices([
      "subtree",
      "machine",
    ]),
    new Option("--sync", "at least once on each node instead of at most once"),
    new Option("--at <time>", "when all begin, such as 2026-07-10T12:00:00Z").argParser(parseTime),
    new Option("--min-nodes <n>", "sync: nobody begins before so many are ready").argParser(parseCount),
    new Option("--confirm <share>", "how many of those that match must be done, from 0 to 1").argParser(parseShare),
    new Option("--results <file>", "write each node's result there when it comes, as a line of JSON"),
    new Option("--no-wait", "end when only nodes that are away are waited for; the call goes on"),
  ].map((option) => (option.negate ? option : option.conflicts(["level", "levels"])));
}

/** Ends with exit code 1 unless all is well, 4 when with --no-wait only those that are away are not done, 130 when called off. */
export async function callMachines(
  io: CliIo,
  options: MachineCallOptions,
  name: string,
  request: Request,
): Promise<void> {
  const condition = conditionOf(options);
  using file = options.results === undefined ? undefined : openResultsFile(options.results);
  const { raw, reply } = await exchange(io, options, { name, condition, request, file });
  if (options.json) io.stdout(`${JSON.stringify(raw)}\n`);
  if ("error" in reply) throw new CommandFailure("FOGBANK_CALL_REFUSED", printable(reply.error.message));
  // Of a call that goes on, or of a node that does not tell them one by one.
  for (const result of reply.results) file?.take(result);
  const now = new Date(io.clock.now()).toISOString();
  const render = file === undefined ? renderReport : renderSummary;
  if (!options.json) io.stdout(render(reply, textStyleOf(io), now));
  const code = exitCodeOf(reply, io.signal.aborted);
  if (code !== 0) exitWith(code);
}

interface MachineCall {
  readonly name: string;
  readonly condition: string;
  readonly request: Request;
  readonly file: ResultsFile | undefined;
}

function exchange(
  io: CliIo,
  options: MachineCallOptions,
  { name, condition, request, file }: MachineCall,
): Promise<Read<MachineReply>> {
  const style = textStyleOf(io);
  const topic = machineResultsTopic(request.id);
  const until = new Date(io.clock.now() + options.ttl * 1000).toISOString();
  return withProgressLine(io, options.json, "called, not heard of anybody yet", (show) =>
    exchangeCall<Read<MachineReply>>(io, options.mqtt, {
      topic: functionTopic(name),
      request: { ...request, if: condition, ...wishesOf(options), ...(file === undefined ? {} : { results: topic }) },
      replyTopic: machineReplyTopic(request.id),
      ...(file === undefined ? {} : { beside: { topic, take: (payload) => file.take(readNodeAnswer(payload).reply) } }),
      ttlMs: options.ttl * 1000,
      cancel: { topic: machineCancelTopic(request.id), onCancel: () => show("calling it off") },
      take(payload) {
        const answer = readMachineReply(payload);
        const { reply } = answer;
        if ("error" in reply) return answer;
        if (reply.final || (reply.settled === true && !options.wait)) return answer;
        const now = new Date(io.clock.now()).toISOString();
        if (!io.signal.aborted) show(progressText(reply, style, { until, now }));
        return undefined;
      },
    }),
  );
}

/** What the request says beside function, arguments and nodes. */
function wishesOf({ scope, sync, at, minNodes, confirm }: MachineCallOptions): Readonly<Record<string, unknown>> {
  // Nodes can only be waited for where all of them are asked first.
  const mode = sync === true || minNodes !== undefined ? "sync" : undefined;
  return { mode, scope, at, minNodes, confirm };
}

function exitCodeOf(report: CallReport, isInterrupted: boolean): number {
  if (isInterrupted) return exitInterrupted;
  if (isSuccess(report)) return 0;
  return !report.final && (isAllDone(report.counts) || report.counts.matched === 0) ? exitOpen : 1;
}

function parseTime(text: string): string {
  if (parsePointInTime(text) !== undefined) return text;
  throw new InvalidArgumentError("Expected ISO 8601, or milliseconds since 1970.");
}

function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d{1,9}$/.test(text) && count > 0 && count <= limits.minNodesMax) return count;
  throw new InvalidArgumentError(`Expected a number of nodes from 1 to ${limits.minNodesMax}.`);
}

function parseShare(text: string): number {
  const share = Number(text);
  if (/^\d(\.\d{1,6})?$/.test(text) && share <= 1) return share;
  throw new InvalidArgumentError("Expected a share from 0 to 1, such as 0.8.");
}
