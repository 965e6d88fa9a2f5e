// `fogbank journal`: looks into the journal of a data directory, checks it, takes data out, and forgets what is long gone.
import { Command, InvalidArgumentError, Option } from "commander";
import { parsePointInTime } from "../client/point-in-time.ts";
import { runAction } from "./action.ts";
import { httpOption } from "./addresses.ts";
import type { CliIo } from "./io.ts";
import type { JournalOptions } from "./journal-database.ts";
import { dropEpoch, type DropOptions } from "./journal-drop-epoch.ts";
import { exportJournal, type ExportOptions } from "./journal-export.ts";
import { listJournal, type ListOptions } from "./journal-ls.ts";
import { verifyJournal } from "./journal-verify.ts";

/** Ends with commander's CommanderError: exit code 1 for damage and a node that runs, 2 for usage, 3 when no node answers. */
export function journalCommand(io: CliIo): Command {
  const command = new Command("journal")
    .description("look into the journal of a data directory, check it, take data out")
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr });
  const verb = (name: string, description: string): Command =>
    command
      .command(name)
      .description(description)
      .addOption(new Option("--data-dir <directory>", "the data directory of a node").conflicts("config"))
      .option("--config <file>", "configuration file of the node, which names its data directory");
  verb("ls", "list the streams and what of them is stored; a node that runs is asked over HTTP")
    .argument("[origin]", "only what that node has published")
    .addOption(httpOption())
    .option("--json", "as JSON, on one line")
    .action((origin: string | undefined, options: ListOptions, self: Command) =>
      runAction(self, io, () => listJournal(io, origin, options)),
    );
  verb("verify", "read everything again, and say what is damaged").action((options: JournalOptions, self: Command) =>
    runAction(self, io, () => verifyJournal(io, options)),
  );
  verb("export", "write the stored messages to a file, or to stdout")
    .argument("[origin]", "only what that node has published")
    .argument("[stream]", "only that stream")
    .addOption(
      new Option("--format <format>", "JSON lines, or a CBOR sequence").choices(["json", "cbor"]).default("json"),
    )
    .requiredOption("--output <file>", "a new file, or - for stdout")
    .option("--from <time>", "messages of that time and later: ISO 8601, UTC where it has no zone", parseTime)
    .option("--to <time>", "messages before that time", parseTime)
    .action((origin: string | undefined, stream: string | undefined, options: ExportOptions, self: Command) =>
      runAction(self, io, () => exportJournal(io, origin, stream, options)),
    );
  verb("drop-epoch", "forget an old life of a node's database, once all of it has been handed on")
    .argument("<origin>", "the node that published")
    .argument("<epoch>", "its epoch, as ls shows it", parseEpoch)
    .option(
      "--force",
      "throw away what it still holds, and name it as lost; also the last epoch of a node that is gone",
    )
    .option("--yes", "do not ask")
    .action((origin: string, epoch: number, options: DropOptions, self: Command) =>
      runAction(self, io, () => dropEpoch(io, origin, epoch, options)),
    );
  return command;
}

function parseTime(text: string): number {
  const ms = parsePointInTime(text);
  if (ms !== undefined) return ms;
  throw new InvalidArgumentError("give ISO 8601, such as 2026-07-10T22:00+02:00 or 2026-07-10.");
}

function parseEpoch(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a whole number.");
}
