// The service on a machine: which files it consists of, how they get there, and how they go again.
import type { MachineChanges } from "./machine-changes.ts";

export const servicePaths = {
  executable: "/usr/local/bin/fogbank",
  configuration: "/etc/fogbank/fogbank.conf",
  configurationFolder: "/etc/fogbank",
  dataFolder: "/var/lib/fogbank",
  unit: "/etc/systemd/system/fogbank.service",
  /** Where `systemctl edit` keeps changes of an operator's own. */
  dropIns: "/etc/systemd/system/fogbank.service.d",
} as const;

const user = "fogbank";
const service = "fogbank.service";

export interface ServiceFiles {
  /** File of the single binary. */
  readonly executable: string;
  readonly unit: string;
  /** Used where there is no configuration yet. */
  readonly configuration: string;
}

/** `runs`: whether systemd is running here; else the service starts with the machine. */
export async function installService(changes: MachineChanges, files: ServiceFiles, runs: boolean): Promise<void> {
  const { executable, configuration, configurationFolder, dataFolder, unit } = servicePaths;
  await changes.addUser(user, dataFolder);
  // The node's own, so that secrets in it can be read by nobody else; as a service it may only read it.
  await changes.folder(configurationFolder, 0o750, user);
  await changes.folder(dataFolder, 0o700, user);
  const isNew = changes.executable(files.executable, executable);
  await changes.firstFile(configuration, files.configuration, user);
  const isChanged = changes.file(unit, files.unit);
  if (runs) await changes.run("systemctl", "daemon-reload");
  await changes.run("systemctl", "enable", service);
  if (runs) await changes.run("systemctl", isNew || isChanged ? "restart" : "start", service);
  else changes.note("systemd does not run here: the node starts with the machine");
}

/** `purge`: with the configuration, all data, and the user. */
export async function uninstallService(changes: MachineChanges, purge: boolean, runs: boolean): Promise<void> {
  const { executable, configurationFolder, dataFolder, unit, dropIns } = servicePaths;
  const wasThere = changes.has(unit);
  if (wasThere) await changes.run("systemctl", "disable", ...(runs ? ["--now"] : []), service);
  changes.remove(unit);
  if (purge) changes.remove(dropIns); // before systemd looks again: it would keep what they say
  if (wasThere && runs) await changes.run("systemctl", "daemon-reload");
  changes.remove(executable);
  if (!purge) {
    for (const path of [configurationFolder, dataFolder, dropIns]) changes.leave(path);
    return changes.note(`left user ${user}; --purge removes all of it`);
  }
  for (const path of [configurationFolder, dataFolder]) changes.remove(path);
  await changes.removeUser(user);
}
