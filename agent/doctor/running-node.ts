// Whether the node of a configuration runs: who holds the lock on its database, and what answers at its HTTP addresses. The database
// itself is not opened: even a reader would leave files beside it.
import { statSync } from "node:fs";
import { join } from "node:path";
import { FogbankError } from "#shared/errors.ts";
import type { StatusReport } from "#shared/reports.ts";
import type { Clock } from "#shared/system/clock.ts";
import { createNodeApi } from "../client/node-api.ts";
import type { NodeConfig } from "../config/config.ts";
import { formatListenAddress, reachableHost } from "../config/listen-address.ts";
import { textOrNothing } from "./proc-text.ts";

export interface RunningNodeFacts {
  /** Of the process that has the database locked or, where /proc does not tell, what answers as the node. */
  readonly pid: number;
  /** What it answers over HTTP. */
  readonly status?: StatusReport;
}

/** Undefined when no node of that configuration was found. */
export async function findRunningNode(
  clock: Clock,
  config: NodeConfig,
  signal: AbortSignal,
): Promise<RunningNodeFacts | undefined> {
  const locker = lockHolder(join(config.dataDir, "fogbank.db"));
  const status = await ownStatus(clock, config, locker, signal);
  const pid = locker ?? status?.node.pid;
  return pid === undefined ? undefined : { pid, ...(status && { status }) };
}

async function ownStatus(
  clock: Clock,
  { name, listen }: NodeConfig,
  pid: number | undefined,
  signal: AbortSignal,
): Promise<StatusReport | undefined> {
  for (const { host, port } of listen.http) {
    if (port === 0) continue;
    const url = `http://${formatListenAddress({ host: reachableHost(host), port })}`;
    try {
      const status = await createNodeApi(clock, url).status(signal);
      if (status.node.name === name && (pid === undefined || pid === status.node.pid)) return status;
    } catch (error) {
      if (!(error instanceof FogbankError)) throw error; // nobody there, or another program
    }
  }
  return undefined;
}

function lockHolder(file: string): number | undefined {
  try {
    const { dev, ino } = statSync(file);
    return lockHolderIn(textOrNothing("/proc/locks") ?? "", dev, ino);
  } catch {
    return undefined; // no database yet, or not to be seen
  }
}

/**
 * The process in `locks` (of /proc/locks) that has that file locked. Device numbers are the file system's own: on some, such as btrfs,
 * they are not those of `stat`, and nothing is found.
 */
export function lockHolderIn(locks: string, dev: number, ino: number): number | undefined {
  const major = ((dev >>> 8) & 0xfff) | (Math.floor(dev / 2 ** 32) & ~0xfff);
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
  const hex = (value: number): string => value.toString(16).padStart(2, "0");
  const wanted = `${hex(major)}:${hex(minor)}:${ino}`;
  for (const line of locks.split("\n")) {
    const [, , , mode, pid, place] = line.trim().split(/\s+/);
    if (mode === "WRITE" && place === wanted && Number(pid) > 0) return Number(pid);
  }
  return undefined;
}
