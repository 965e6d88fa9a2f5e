// `fogbank doctor`: checks a machine before and after installation, and says what to do about each finding. Changes nothing.
import { Command } from "commander";
import { FogbankError } from "#shared/errors.ts";
import type { Random } from "#shared/system/random.ts";
import { systemConfigFile } from "../config/system-file.ts";
import { exitWith, runAction } from "./action.ts";
import { addAssignment, type Assignment } from "./assignment.ts";
import type { CliIo } from "./io.ts";
import { withProgressLine } from "./progress-line.ts";
import { textStyleOf } from "./text-style.ts";

interface DoctorOptions {
  readonly config?: string;
  readonly set: readonly Assignment[];
  readonly json?: true;
}

/** Ends with commander's CommanderError: exit code 1 when there is a problem, 2 for usage, 130 after Ctrl-C. */
export function doctorCommand(io: CliIo, random: Pick<Random, "uuid">): Command {
  return new Command("doctor")
    .description("check this machine for a node, before and after installation, and say what to do")
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr })
    .option("--config <file>", "configuration file of the node; without it, that of /etc as for run, if there is one")
    .option("--set <key=value>", "set one value, as for run; may be repeated", addAssignment, [])
    .option("--json", "print the findings as a JSON array of {check, level, what, todo}")
    .action((options: DoctorOptions, command: Command) => runAction(command, io, () => look(io, random, options)));
}

async function look(io: CliIo, random: Pick<Random, "uuid">, { config, set, json }: DoctorOptions): Promise<void> {
  const file = config ?? systemConfigFile(io.readFile);
  if (file !== undefined) refuseUnreadable(io, file);
  // A node never loads any of it.
  const { examine } = await import("../doctor/examine.ts");
  const { renderFindings } = await import("./render-findings.ts");
  const sources = { file, flags: Object.fromEntries(set) };
  const findings = await withProgressLine(io, json, "looking at this machine", (show) =>
    examine({ io, random, show }, sources),
  );
  io.stdout(json ? `${JSON.stringify(findings, null, 1)}\n` : renderFindings(findings, textStyleOf(io)));
  if (findings.some(({ level }) => level === "problem")) exitWith(1);
}

/** Throws FOGBANK_USAGE. */
function refuseUnreadable(io: CliIo, file: string): void {
  try {
    io.readFile(file);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FogbankError(
      "FOGBANK_USAGE",
      `cannot read the configuration file ${file}: ${reason}: name the one that the node runs with, and run this as a user who may read it`,
      { cause },
    );
  }
}
