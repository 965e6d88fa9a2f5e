// `fogbank explain NODE [STREAM]`: did I get everything that node published, ever or in a span of time? Answered from the accounts of the node that is asked.
import { Command, InvalidArgumentError } from "commander";
import type { AccountingReport, RangeReport, StatusReport } from "#shared/reports.ts";
import { createNodeApi } from "../client/node-api.ts";
import { parsePointInTime } from "../client/point-in-time.ts";
import { CommandFailure, exitWith, runAction } from "./action.ts";
import { httpOption } from "./addresses.ts";
import { explainRange, isComplete, isFaulty as isFaultyRange, rootOf } from "./explain-range.ts";
import { explainStream, isBalanced, isFaulty, obstacleOf, parentOf } from "./explain-stream.ts";
import type { CliIo } from "./io.ts";
import { painted, printable, textStyleOf } from "./text-style.ts";

interface ExplainOptions {
  readonly stream?: string;
  readonly from?: string;
  readonly to?: string;
  readonly http: string;
  readonly json?: true;
}

/** Ends with commander's CommanderError: exit code 1 when something is lost, unbalanced, unknown or not to be expected from anybody, or missing in a span of time, 3 when no node answers. */
export function explainCommand(io: CliIo): Command {
  return new Command("explain")
    .description("say whether everything that a node published has arrived, what is on the way, and what is lost")
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr })
    .argument("<node>", "the node that published")
    .argument("[stream]", "only that stream")
    .option("--stream <stream>", "the same")
    .option("--from <time>", "messages of that time and later: ISO 8601, UTC where it has no zone", pointInTime)
    .option("--to <time>", "messages before that time (default: now)", pointInTime)
    .addOption(httpOption())
    .option("--json", "print the accounts and what they mean as JSON, on one line")
    .action((node: string, stream: string | undefined, options: ExplainOptions, command: Command) => {
      const asked = { ...options, ...(stream === undefined ? {} : { stream }) };
      const isRange = options.from !== undefined || options.to !== undefined;
      return runAction(command, io, () => (isRange ? explainTimes : explain)(io, node, asked));
    });
}

/** As the node is asked; throws commander's InvalidArgumentError. */
function pointInTime(text: string): string {
  const ms = parsePointInTime(text);
  if (ms !== undefined) return new Date(ms).toISOString();
  throw new InvalidArgumentError("give ISO 8601, such as 2026-07-10T22:00+02:00 or 2026-07-10.");
}

async function explainTimes(io: CliIo, origin: string, options: ExplainOptions): Promise<void> {
  const { stream, from, to, http, json } = options;
  const api = createNodeApi(io.clock, http);
  const [status, entries] = await Promise.all([
    api.status(io.signal),
    api.range({ origin, stream, from, to }, io.signal),
  ]);
  if (entries.length === 0) checkKnown(origin, stream, await api.accounting({ origin }, io.signal), status);
  if (json) io.stdout(`${JSON.stringify(rangesAsJson(origin, entries, status))}\n`);
  else io.stdout(rangesAsText(io, origin, entries, status));
  if (entries.some(isFaultyRange)) exitWith(1);
}

function rangesAsText(io: CliIo, origin: string, entries: readonly RangeReport[], status: StatusReport): string {
  if (entries.length === 0) return nothingPublished(origin, status);
  const style = textStyleOf(io);
  const withEpoch = new Set(entries.map(({ stream }) => stream)).size < entries.length;
  return entries
    .map((entry) => {
      const text = printable(explainRange(entry, status, withEpoch));
      return `${painted(text, isFaultyRange(entry) ? "bad" : "plain", style)}\n`;
    })
    .join("");
}

function rangesAsJson(origin: string, entries: readonly RangeReport[], status: StatusReport): object {
  const root = rootOf(status);
  return {
    origin,
    askedNode: status.node.name,
    now: status.node.now,
    ...(root === undefined ? {} : { root }),
    complete: entries.length > 0 && entries.every(isComplete),
    streams: entries,
  };
}

async function explain(io: CliIo, origin: string, { stream, http, json }: ExplainOptions): Promise<void> {
  const api = createNodeApi(io.clock, http);
  const [status, all] = await Promise.all([api.status(io.signal), api.accounting({ origin }, io.signal)]);
  const entries = all.filter((entry) => stream === undefined || entry.stream === stream);
  if (entries.length === 0) checkKnown(origin, stream, all, status);
  if (json) io.stdout(`${JSON.stringify(asJson(origin, entries, status))}\n`);
  else io.stdout(asText(io, origin, entries, status));
  if (entries.some(isFaulty)) exitWith(1);
}

/** Throws when the node that is asked has never heard of the origin, or of its stream. */
function checkKnown(
  origin: string,
  stream: string | undefined,
  all: readonly AccountingReport[],
  status: StatusReport,
): void {
  const { name } = status.node;
  if (all.length > 0) {
    const streams = [...new Set(all.map((entry) => entry.stream))].join(", ");
    throw new CommandFailure(
      "FOGBANK_NODE_UNKNOWN",
      `${name} knows no stream "${stream}" of ${origin}: it knows ${streams}`,
    );
  }
  if (origin === name || status.below.some(({ node }) => node === origin)) return;
  const origins = [...new Set(status.streams.map((entry) => entry.origin))].toSorted();
  const known = origins.length === 0 ? "it knows of no streams at all" : `it knows ${origins.join(", ")}`;
  throw new CommandFailure("FOGBANK_NODE_UNKNOWN", `${name} has never heard of "${origin}": ${known}`);
}

function asText(io: CliIo, origin: string, entries: readonly AccountingReport[], status: StatusReport): string {
  if (entries.length === 0) return nothingPublished(origin, status);
  const style = textStyleOf(io);
  const withEpoch = new Set(entries.map(({ stream }) => stream)).size < entries.length;
  return entries
    .map((entry) => {
      const text = printable(explainStream(entry, status, withEpoch));
      return `${painted(text, isFaulty(entry) ? "bad" : "plain", style)}\n`;
    })
    .join("");
}

function nothingPublished(origin: string, status: StatusReport): string {
  return `${printable(origin)}: nothing published yet, as far as ${status.node.name} knows.\n`;
}

function asJson(origin: string, entries: readonly AccountingReport[], status: StatusReport): object {
  const obstacle = obstacleOf(origin, status);
  const { node, uplink } = status;
  return {
    origin,
    askedNode: node.name,
    now: node.now,
    ...(uplink.state === "none"
      ? {}
      : { handedOnTo: parentOf(status), uplink: uplink.state, uplinkSince: uplink.since }),
    complete: entries.every((entry) => entry.pending === 0 && entry.lost === 0 && isBalanced(entry)),
    ...(obstacle === undefined || obstacle === "unknown"
      ? {}
      : { offline: { node: obstacle.node, state: obstacle.state, since: obstacle.since } }),
    streams: entries,
  };
}
