// Who started the demo, and whether that is still there. Under npm there is often a shell in between, which learns nothing of
// npm's end: when npm is killed the demo would run on without anybody to end it.
import { readFileSync } from "node:fs";

/** The chain of parents as it was at the first call, compared with what it is now. */
export interface Launcher {
  isGone(): boolean;
}

/** Linux; where the chain cannot be read only the parent itself is watched. */
export function watchLauncher(): Launcher {
  const parent = process.ppid;
  const stat = parentStat(parent);
  const isShell = stat !== undefined && /^(?:ba|da)?sh$/.test(stat.name);
  return {
    isGone() {
      if (process.ppid !== parent) return true;
      return isShell && parentStat(parent)?.parent !== stat.parent;
    },
  };
}

function parentStat(pid: number): { readonly name: string; readonly parent: number } | undefined {
  try {
    const groups = /^\d+ \((?<name>.*)\) \S (?<parent>\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, "latin1"))?.groups;
    const name = groups?.["name"];
    return name === undefined ? undefined : { name, parent: Number(groups?.["parent"]) };
  } catch {
    return undefined;
  }
}
