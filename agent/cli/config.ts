// `fogbank config check FILE`, `show` and `import FILE`: what a node would run with, and why.
import { Command } from "commander";
import { FogbankError } from "#shared/errors.ts";
import { formatValue } from "#shared/libconfig/format.ts";
import { formatPosition } from "#shared/libconfig/position.ts";
import { type ConfigSources, loadConfig, type LoadedConfig, type NodeConfig } from "../config/config.ts";
import { renderConfig } from "../config/explain.ts";
import { systemConfigFile } from "../config/system-file.ts";
import { formatListenAddress, formatMqttAddress } from "../config/listen-address.ts";
import { addAssignment, type Assignment } from "./assignment.ts";

/** What the command reads from and writes to. */
export interface ConfigCommandIo extends Pick<ConfigSources, "env" | "readFile" | "hostname"> {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
}

interface ShowOptions {
  readonly config?: string;
  readonly set: readonly Assignment[];
  readonly explain?: true;
}

/** Ends with commander's CommanderError, which carries the exit code: 2 for a configuration that cannot be used. */
export function configCommand(io: ConfigCommandIo): Command {
  const command = new Command("config")
    .description("check a configuration, or show the effective one")
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr });
  command
    .command("check")
    .description("say whether a configuration file can be used, by itself: without environment and flags")
    .argument("<file>", "configuration file in libconfig syntax")
    .action((file: string, _options: unknown, self: Command) => {
      const { config } = loadOrFail(self, { ...io, file, env: {}, flags: {} });
      io.stdout(`${file}: ok\n${summarize(config)}\n`);
    });
  command
    .command("import")
    .description("print what a utopiad.conf means, as a configuration file of this program")
    .argument("<file>", "the utopiad.conf")
    .action((file: string, _options: unknown, self: Command) => {
      const loaded = loadOrFail(self, { ...io, file, env: {}, flags: {} });
      if (!loaded.isOriginal)
        self.error(`FOGBANK_CONFIG_INVALID: ${file}: this is no utopiad.conf: none of its settings is there`, {
          exitCode: 2,
          code: "FOGBANK_CONFIG_INVALID",
        });
      io.stdout(renderImport(file, loaded));
    });
  command
    .command("show")
    .description("print every setting with its effective value and where it comes from")
    .option("--config <file>", "configuration file in libconfig syntax")
    .option(
      "--set <key=value>",
      "set one value, such as listen.mqtt=127.0.0.1:1884; may be repeated",
      addAssignment,
      [],
    )
    .option("--explain", "say above each setting what it is for")
    .action((options: ShowOptions, self: Command) => {
      const flags = Object.fromEntries(options.set);
      const { entries, warnings } = loadOrFail(self, {
        ...io,
        file: options.config ?? systemConfigFile(io.readFile),
        flags,
      });
      for (const warning of warnings) io.stderr(`warning: ${warning}\n`);
      io.stdout(renderConfig(entries, options.explain));
    });
  return command;
}

/** Loads, or ends the command with one message on stderr. */
function loadOrFail(command: Command, sources: ConfigSources): ReturnType<typeof loadConfig> {
  try {
    return loadConfig(sources);
  } catch (error) {
    if (!(error instanceof FogbankError)) throw error;
    return command.error(`${error.code}: ${error.message}`, { exitCode: 2, code: error.code });
  }
}

/** What the file sets, in our words, and in comments what nothing follows from. It reads back as the same configuration. */
function renderImport(file: string, { entries, unused }: LoadedConfig): string {
  const own = renderConfig(entries.filter(({ origin }) => origin !== "default"));
  const lines = unused.map(({ name, value, reason }) => {
    const given = `${name} = ${formatValue(value)}`.replace(/\p{Cc}/gu, "?");
    return `#   ${given};  (${formatPosition(value.at)}) ${reason}\n`;
  });
  const rest = lines.length === 0 ? "" : `\n# Not used by this version:\n${lines.join("")}`;
  // A file name may hold a line break, which would end the comment.
  const from = file.replace(/\p{Cc}/gu, "?");
  return `# What ${from} means. Everything else has its default.\n${own}${rest}`;
}

function summarize({ name, level, listen, uplink, dataDir }: NodeConfig): string {
  const places = [
    ...listen.mqtt.map((address) => `mqtt ${formatMqttAddress(address)}`),
    ...listen.http.map((address) => `http ${formatListenAddress(address)}`),
  ];
  const listens = places.length === 0 ? "listens nowhere" : `listens on ${places.join(", ")}`;
  const dials = uplink === undefined ? "is a root" : `dials ${uplink.host} port ${uplink.port}`;
  return `${level} node "${name}" ${listens}, ${dials}, stores in ${dataDir}`;
}
