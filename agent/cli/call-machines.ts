// `fogbank call` without --level and --levels: a function on the machines of a tree, and what became of it.
import { InvalidArgumentError, Option } from "commander";
import { limits } from "#shared/limits.ts";
import { functionTopic, machineCancelTopic, machineReplyTopic, machineResultsTopic } from "#shared/topics.ts";
import { parsePointInTime } from "../client/point-in-time.ts";
import { CommandFailure, exitWith } from "./action.ts";
import type { MqttTarget } from "./addresses.ts";
import { type Nodes, conditionOf } from "./call-condition.ts";
import { exchangeCall, LastWordUnheard } from "./call-exchange.ts";
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

/**
 * Ends with exit code 1 unless all is well, 4 when with --no-wait only those that are away are not done, 130 when called off: then
 * with the last word on it, or with what was heard before and a line on stderr that says where the last word will come.
 */
export async function callMachines(
  io: CliIo,
  options: MachineCallOptions,
  name: string,
  request: Request,
): Promise<void> {
  const condition = conditionOf(options);
  using file = options.results === undefined ? undefined : openResultsFile(options.results);
  const { heard, unheard } = await exchange(io, options, { name, condition, request, file });
  const code = heard === undefined ? exitInterrupted : show(io, options, heard, file);
  if (unheard !== undefined) io.stderr(`${unheardLine(request, unheard)}\n`);
  if (io.signal.aborted) exitWith(exitInterrupted);
  if (code !== 0) exitWith(code);
}

/** Writes a reply as the person wants it. Answers the exit code that goes with it. Throws what the node refuses the call with. */
function show(io: CliIo, options: MachineCallOptions, { raw, reply }: Read<MachineReply>, file?: ResultsFile): number {
  if (options.json) io.stdout(`${JSON.stringify(raw)}\n`);
  if ("error" in reply) {
    // What a command throws is not told any more when it was interrupted.
    if (io.signal.aborted) io.stderr(`FOGBANK_CALL_REFUSED: ${printable(reply.error.message)}\n`);
    throw new CommandFailure("FOGBANK_CALL_REFUSED", printable(reply.error.message));
  }
  // Of a call that goes on, or of a node that does not tell them one by one.
  for (const result of reply.results) file?.take(result);
  const now = new Date(io.clock.now()).toISOString();
  const render = file === undefined ? renderReport : renderSummary;
  if (!options.json) io.stdout(render(reply, textStyleOf(io), now));
  return exitCodeOf(reply);
}

function unheardLine({ id }: Request, { message }: LastWordUnheard): string {
  const topic = machineReplyTopic(id);
  return printable(
    `FOGBANK_NOT_ACKNOWLEDGED: the call was called off, but not everything was heard of it: ${message}. Its last word comes a second after its ttl at the latest: fogbank sub -t ${topic} at the same node`,
  );
}

interface MachineCall {
  readonly name: string;
  readonly condition: string;
  readonly request: Request;
  readonly file: ResultsFile | undefined;
}

/** What was heard last, and why that was not the last word. */
interface Heard {
  readonly heard: Read<MachineReply> | undefined;
  readonly unheard?: LastWordUnheard;
}

async function exchange(
  io: CliIo,
  options: MachineCallOptions,
  { name, condition, request, file }: MachineCall,
): Promise<Heard> {
  let heard: Read<MachineReply> | undefined;
  const style = textStyleOf(io);
  const topic = machineResultsTopic(request.id);
  const until = new Date(io.clock.now() + options.ttl * 1000).toISOString();
  const streaming =
    file === undefined
      ? { wish: {} }
      : {
          wish: { results: topic },
          beside: { topic, take: (payload: Uint8Array) => file.take(readNodeAnswer(payload).reply) },
        };
  try {
    return {
      heard: await withProgressLine(io, options.json, "called, not heard of anybody yet", (tell) =>
        exchangeCall<Read<MachineReply>>(io, options.mqtt, {
          topic: functionTopic(name),
          request: { ...request, if: condition, ...wishesOf(options), ...streaming.wish },
          replyTopic: machineReplyTopic(request.id),
          ...(streaming.beside && { beside: streaming.beside }),
          ttlMs: options.ttl * 1000,
          cancel: { topic: machineCancelTopic(request.id), onCancel: () => tell("calling it off") },
          take(payload) {
            heard = readMachineReply(payload);
            const { reply } = heard;
            if ("error" in reply) return heard;
            if (reply.final || (reply.settled === true && !options.wait)) return heard;
            const now = new Date(io.clock.now()).toISOString();
            if (!io.signal.aborted) tell(progressText(reply, style, { until, now }));
            return undefined;
          },
        }),
      ),
    };
  } catch (error) {
    if (error instanceof LastWordUnheard) return { heard, unheard: error };
    throw error;
  }
}

/** What the request says beside function, arguments and nodes. */
function wishesOf({ scope, sync, at, minNodes, confirm }: MachineCallOptions): Readonly<Record<string, unknown>> {
  // Nodes can only be waited for where all of them are asked first.
  const mode = sync === true || minNodes !== undefined ? "sync" : undefined;
  return { mode, scope, at, minNodes, confirm };
}

function exitCodeOf(report: CallReport): number {
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
