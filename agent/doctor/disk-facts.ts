// What the system tells of the data directory and of the disk below it. Nothing is written.
import { accessSync, constants, readdirSync, realpathSync, statfsSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { NodeConfig } from "../config/config.ts";
import type { DataDirectoryFacts } from "./data-directory.ts";
import type { DiskFacts } from "./disk.ts";
import { mountOf, type Mount } from "./mounts.ts";
import { codeOf, programOf, textOrNothing, userName } from "./proc-text.ts";
import type { RunningNodeFacts } from "./running-node.ts";

export function readDataDirectory(
  { dataDir, listen }: NodeConfig,
  running: RunningNodeFacts | undefined,
): DataDirectoryFacts {
  const path = resolve(dataDir);
  const { place, state } = nearest(path);
  const { uid, mode } = state === "hidden" ? { uid: 0, mode: 0 } : statSync(place);
  const pid = running?.pid;
  return {
    path,
    state,
    place,
    isWritable: mayWrite(place),
    user: currentUser(),
    owner: userName(uid),
    mode: mode & 0o777,
    strangers: state === "there" ? strangersIn(place, uid) : [],
    lockedBy:
      pid === undefined
        ? undefined
        : { pid, program: programOf(pid), isNode: running?.status !== undefined || listen.http.length === 0 },
  };
}

/** Undefined when the file system does not answer. */
export function readDisk({ journal, functions }: NodeConfig, place: string): DiskFacts | undefined {
  try {
    const { bavail, bsize, files, ffree } = statfsSync(place);
    return {
      place,
      freeBytes: bavail * bsize,
      freeInodes: files > 0 ? ffree : undefined,
      usedBytes: statSync(join(place, "fogbank.db"), { throwIfNoEntry: false })?.size ?? 0,
      maxBytes: journal.maxBytes,
      mount: mountAt(place),
      ...(functions.directory !== undefined && { functionsMount: mountAt(functions.directory) }),
    };
  } catch {
    return undefined;
  }
}

function currentUser(): string {
  try {
    return userInfo().username;
  } catch {
    return userName(process.getuid?.() ?? 0); // without an entry in the system's list of users
  }
}

function mountAt(path: string): Mount | undefined {
  const mountinfo = textOrNothing("/proc/self/mountinfo");
  try {
    return mountinfo === undefined ? undefined : mountOf(mountinfo, realpathSync(path));
  } catch {
    return undefined;
  }
}

function nearest(path: string): Pick<DataDirectoryFacts, "place" | "state"> {
  for (let place = path; ; place = dirname(place)) {
    try {
      const isFolder = statSync(place).isDirectory();
      return { place, state: !isFolder ? "file" : place === path ? "there" : "above" };
    } catch (error) {
      if (codeOf(error) === "ENOTDIR") continue;
      if (codeOf(error) !== "ENOENT" || place === dirname(place)) return { place, state: "hidden" };
    }
  }
}

function mayWrite(place: string): boolean {
  try {
    accessSync(place, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function strangersIn(folder: string, uid: number): DataDirectoryFacts["strangers"] {
  try {
    return readdirSync(folder).flatMap((name) => {
      const found = statSync(join(folder, name), { throwIfNoEntry: false });
      return found === undefined || found.uid === uid ? [] : [{ name, owner: userName(found.uid) }];
    });
  } catch {
    return []; // this user may not look into it
  }
}
