// `fogbank status`: what a node knows of its tree and of every stream, once or until Ctrl-C.
import { Command } from "commander";
import { FogbankError } from "#shared/errors.ts";
import type { StatusReport } from "#shared/reports.ts";
import { createNodeApi } from "../client/node-api.ts";
import { loadConfig } from "../config/config.ts";
import { formatListenAddress, reachableHost } from "../config/listen-address.ts";
import { runAction } from "./action.ts";
import { httpOption } from "./addresses.ts";
import type { CliIo } from "./io.ts";
import { renderStatus } from "./render-status.ts";
import { cut, type TextStyle, textStyleOf } from "./text-style.ts";

interface StatusOptions {
  readonly http: string;
  readonly config?: string;
  readonly watch?: true;
  readonly json?: true;
}

const watchMs = 1_000;

/** Ends with commander's CommanderError: exit code 2 for usage, 3 when no node answers, 130 after Ctrl-C in a watch. */
export function statusCommand(io: CliIo): Command {
  return new Command("status")
    .description("show what a node knows of its tree, its streams and its store")
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr })
    .addOption(httpOption().conflicts("config"))
    .option("--config <file>", "take the address from the listen.http of that configuration file")
    .option("--watch", "draw again every second; where stdout is no terminal, whenever something changed")
    .option("--json", "print the node's report as JSON, on one line")
    .action((options: StatusOptions, command: Command) => runAction(command, io, () => show(io, options)));
}

async function show(io: CliIo, options: StatusOptions): Promise<void> {
  const url = options.config === undefined ? options.http : httpOfConfig(io, options.config);
  const api = createNodeApi(io.clock, url);
  const style = textStyleOf(io);
  const render = (report: StatusReport): string =>
    options.json ? `${JSON.stringify(report)}\n` : renderStatus(report, style);
  const first = await api.status(io.signal);
  if (!options.watch) {
    io.stdout(render(first));
    return;
  }
  const draw = io.isTerminal && !options.json ? redrawer(io, style) : appender(io, options.json ? "" : "\n");
  draw(render(first), essenceOf(first));
  for (let latest = first; ;) {
    await io.clock.sleep(watchMs, io.signal);
    try {
      latest = await api.status(io.signal);
      draw(render(latest), essenceOf(latest));
    } catch (error) {
      if (!(error instanceof FogbankError)) throw error;
      draw(render(latest), essenceOf(latest), `${error.code}: ${error.message}`);
    }
  }
}

/** The address that a node with that file and this environment listens on. */
export function httpOfConfig(io: CliIo, file: string): string {
  const { config } = loadConfig({ ...io, file, flags: {} });
  const address = config.listen.http.find(({ port }) => port !== 0);
  if (address === undefined) {
    throw new FogbankError(
      "FOGBANK_CONFIG_INVALID",
      `${file}: listen.http names no address with a fixed port: use --http`,
    );
  }
  return `http://${formatListenAddress({ host: reachableHost(address.host), port: address.port })}`;
}

/** Shows a text; `essence` tells whether it says something new, `notice` why it is not the latest. */
type Draw = (text: string, essence: string, notice?: string) => void;

/** Over what stood there before, in one write and without clearing first, so that nothing flickers. */
function redrawer(io: CliIo, style: TextStyle): Draw {
  return (text, _essence, notice) => {
    const lines = notice === undefined ? text : `${text}\n${cut(notice, io.columns, style)}\n`;
    io.stdout(`\u001b[H${lines.replaceAll("\n", "\u001b[K\n")}\u001b[J`);
  };
}

/** One block per change; notices go to stderr. */
function appender(io: CliIo, separator: string): Draw {
  let shown: string | undefined;
  let noticed: string | undefined;
  return (text, essence, notice) => {
    if (notice !== undefined && notice !== noticed) io.stderr(`${notice}\n`);
    if (notice === undefined && essence !== shown) {
      io.stdout(shown === undefined ? text : `${separator}${text}`);
      shown = essence;
    }
    noticed = notice;
  };
}

/** The report without what differs at every look. */
function essenceOf({ node, uplink, below, streams, store, journal, documents, alarms }: StatusReport): string {
  return JSON.stringify([
    node.name,
    node.startedAt,
    uplink,
    below.map((entry) => ({ ...entry, ageMs: 0 })),
    streams.map((entry) => ({ ...entry, heardAt: "" })),
    store.refusing,
    journal,
    documents?.failingSince,
    documents?.quarantined,
    alarms,
  ]);
}
