// Sees to it that no node outlives the demo, even when the demo itself is killed with SIGKILL and can do nothing about it:
// a process of its own (reaper.ts) reads a pipe from the demo, and kills what is still on its list when the pipe closes.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface OrphanGuard extends Disposable {
  /** From now on `pid` dies with the demo. */
  watch(pid: number): void;
  /** `pid` has ended: its number may soon belong to somebody else. */
  forget(pid: number): void;
}

export function startOrphanGuard(): OrphanGuard {
  const reaper = fileURLToPath(new URL("./reaper.ts", import.meta.url));
  // A group of its own: Ctrl-C in the terminal is for the demo, which closes the pipe when it is done.
  const child = spawn(process.execPath, [reaper], { stdio: ["pipe", "ignore", "ignore"], detached: true });
  child.on("error", () => undefined);
  child.stdin.on("error", () => undefined);
  child.unref();
  return {
    watch: (pid) => void child.stdin.write(`+${pid}\n`),
    forget: (pid) => void child.stdin.write(`-${pid}\n`),
    [Symbol.dispose]: () => void child.stdin.end(),
  };
}
