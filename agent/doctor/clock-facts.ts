// What files tell of the clock's synchronisation.
import type { Synchronisation } from "./clock.ts";
import { isThere, textOrNothing } from "./proc-text.ts";

/** Of daemons other than systemd's: each has one of these while it runs, and tells more only to its own programs. */
const daemonPlaces = ["/run/chrony", "/run/chronyd.pid", "/run/ntpd.pid", "/run/ntpsec.pid", "/run/openntpd.pid"];

export function readSynchronisation(exists: (path: string) => boolean = isThere): Synchronisation {
  if (exists("/run/systemd/timesync/synchronized")) return "told";
  if (daemonPlaces.some(exists)) return "daemon";
  return exists("/run/systemd/timesync") ? "awaited" : "unknown";
}

/** Third line of /etc/adjtime. */
export function keepsLocalTime(adjtime: string | undefined = textOrNothing("/etc/adjtime")): boolean {
  return adjtime?.split("\n")[2]?.trim() === "LOCAL";
}
