// `fogbank install --service` and `fogbank uninstall`: the program as a service of systemd, and gone again.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "commander";
import { FogbankError } from "#shared/errors.ts";
import type { MachineChanges, RunCommand } from "../service/machine-changes.ts";
import { runAction } from "./action.ts";
import { addAssignment, type Assignment } from "./assignment.ts";
import type { CliIo } from "./io.ts";

export interface InstallDeps {
  /** Of the single binary that runs; undefined when this runs from its sources. */
  readonly executable: string | undefined;
  /** Text of the unit. */
  unit(): string;
  readonly isRoot: boolean;
  /** Whether systemd is the init of this machine, as sd_booted(3) has it. */
  readonly hasSystemd: () => boolean;
  readonly run: RunCommand;
}

interface Options {
  readonly root?: string;
  readonly dryRun?: true;
}

interface InstallOptions extends Options {
  readonly service?: true;
  readonly binary?: string;
  readonly set: readonly Assignment[];
}

interface UninstallOptions extends Options {
  readonly purge?: true;
}

type InstallIo = Pick<CliIo, "stdout" | "stderr" | "hostname" | "signal">;

/** Ends with commander's CommanderError: exit code 1 for what cannot be done here, 2 for usage. */
export function installCommand(io: CliIo, deps: InstallDeps): Command {
  return command(io, "install", "install this program as a service of systemd, or a newer version of it")
    .option("--service", "as a service: binary, unit, user, folders, and a first configuration if there is none")
    .option("--set <key=value>", "a value in the first configuration; may be repeated", addAssignment, [])
    .option("--binary <file>", "the single binary to install; by default this program")
    .action((options: InstallOptions, self: Command) => runAction(self, io, () => install(io, deps, options)));
}

/** The same. */
export function uninstallCommand(io: CliIo, deps: InstallDeps): Command {
  return command(io, "uninstall", "stop the service and remove it; its data and its configuration stay")
    .option("--purge", "remove these, too: /var/lib/fogbank, /etc/fogbank and the user")
    .action((options: UninstallOptions, self: Command) => runAction(self, io, () => uninstall(io, deps, options)));
}

function command(io: InstallIo, name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option("--dry-run", "say what would be done, and do nothing")
    .option("--root <folder>", "do it to the files below that folder, for an image or a package, and to nothing else")
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr });
}

async function install(io: InstallIo, deps: InstallDeps, options: InstallOptions): Promise<void> {
  if (options.service !== true) throw new FogbankError("FOGBANK_USAGE", "install what? Give --service");
  const executable = options.binary ?? deps.executable;
  if (executable === undefined) {
    const message =
      "this runs from its sources: name the single binary by --binary, such as dist/fogbank-…-linux-arm64";
    throw new FogbankError("FOGBANK_USAGE", message);
  }
  if (!existsSync(executable)) throw new FogbankError("FOGBANK_USAGE", `there is no ${executable} to install`);
  const { firstConfiguration } = await import("../service/first-configuration.ts");
  const { installService, servicePaths } = await import("../service/service-installation.ts");
  const configuration = firstConfiguration(Object.fromEntries(options.set), io.hostname);
  const changes = await changesFor(io, deps, options);
  const hasConfiguration = changes.has(servicePaths.configuration);
  if (options.set.length > 0 && hasConfiguration) {
    changes.note(`${servicePaths.configuration} is there already: --set is only for a first one`);
  }
  const proof = hasConfiguration ? ["config", "check", servicePaths.configuration] : ["--version"];
  // What does not run on this machine, or not with the configuration that is there, does not take the place of what does.
  if (options.root === undefined) await changes.run(resolve(executable), ...proof);
  await installService(changes, { executable, unit: deps.unit(), configuration }, runsSystemd(deps, options));
  const { "data-dir": dataDir } = Object.fromEntries(options.set);
  if (dataDir !== undefined && !hasConfiguration) tellOfOtherFolder(changes, dataDir, servicePaths.dataFolder);
  if (options.dryRun === true || options.root !== undefined) return;
  io.stdout("Look at it: systemctl status fogbank, journalctl -u fogbank, fogbank status\n");
}

function tellOfOtherFolder(changes: MachineChanges, dataDir: string, usual: string): void {
  if (`${dataDir}/`.startsWith(`${usual}/`)) return;
  changes.note(
    `${dataDir} is not in ${usual}: give it to the user fogbank, and let the service write there by ReadWritePaths=${dataDir} (systemctl edit fogbank)`,
  );
}

async function uninstall(io: InstallIo, deps: InstallDeps, options: UninstallOptions): Promise<void> {
  const { uninstallService } = await import("../service/service-installation.ts");
  await uninstallService(await changesFor(io, deps, options), options.purge === true, runsSystemd(deps, options));
}

/** Below a folder nothing is run, but named: all of it. */
function runsSystemd(deps: InstallDeps, { root }: Options): boolean {
  return root !== undefined || deps.hasSystemd();
}

async function changesFor(io: InstallIo, deps: InstallDeps, { root, dryRun }: Options): Promise<MachineChanges> {
  const isDry = dryRun === true;
  if (root === undefined && !isDry) {
    if (!deps.isRoot) throw refused("it takes root: use sudo, or look at what would be done with --dry-run");
    await deps.run("systemctl", ["--version"]).catch(() => {
      throw refused("there is no systemd here: let what starts services here run `fogbank run --config FILE`");
    });
  }
  // Loaded by this command alone: no node needs it.
  const { MachineChanges } = await import("../service/machine-changes.ts");
  const tell = (line: string): void => io.stdout(`${line}\n`);
  return new MachineChanges({ tell, run: deps.run }, { root, isDry });
}

function refused(why: string): FogbankError {
  return new FogbankError("FOGBANK_INSTALL_FAILED", why);
}
