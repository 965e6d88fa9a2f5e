// `fogbank explain NODE`: did I get everything that node published? Answered from the accounts of the node that is asked.
import { Command } from "commander";
import type { AccountingReport, StatusReport } from "#shared/reports.ts";
import { createNodeApi } from "../client/node-api.ts";
import { CommandFailure, exitWith, runAction } from "./action.ts";
import { httpOption } from "./addresses.ts";
import { explainStream, isBalanced, obstacleOf, parentOf } from "./explain-stream.ts";
import type { CliIo } from "./io.ts";
import { painted, printable, textStyleOf } from "./text-style.ts";

interface ExplainOptions {
  readonly stream?: string;
  readonly http: string;
  readonly json?: true;
}

/** Ends with commander's CommanderError: exit code 1 when something is lost, unbalanced or unknown, 3 when no node answers. */
export function explainCommand(io: CliIo): Command {
  return new Command("explain")
    .description("say whether everything that a node published has arrived, what is on the way, and what is lost")
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr })
    .argument("<node>", "the node that published")
    .option("--stream <stream>", "only that stream")
    .addOption(httpOption())
    .option("--json", "print the accounts and what they mean as JSON, on one line")
    .action((node: string, options: ExplainOptions, command: Command) =>
      runAction(command, io, () => explain(io, node, options)),
    );
}

async function explain(io: CliIo, origin: string, { stream, http, json }: ExplainOptions): Promise<void> {
  const api = createNodeApi(io.clock, http);
  const [status, all] = await Promise.all([api.status(io.signal), api.accounting({ origin }, io.signal)]);
  const entries = all.filter((entry) => stream === undefined || entry.stream === stream);
  if (entries.length === 0) checkKnown(origin, stream, all, status);
  if (json) io.stdout(`${JSON.stringify(asJson(origin, entries, status))}\n`);
  else io.stdout(asText(io, origin, entries, status));
  if (entries.some((entry) => entry.lost > 0 || !isBalanced(entry))) exitWith(1);
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
  if (entries.length === 0)
    return `${printable(origin)}: nothing published yet, as far as ${status.node.name} knows.\n`;
  const style = textStyleOf(io);
  const withEpoch = new Set(entries.map(({ stream }) => stream)).size < entries.length;
  return entries
    .map((entry) => {
      const text = printable(explainStream(entry, status, withEpoch));
      return `${painted(text, entry.lost > 0 || !isBalanced(entry) ? "bad" : "plain", style)}\n`;
    })
    .join("");
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
