// Reading files that may not be there, or that this user or runtime may not read.
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";

/** Undefined for whatever reason it cannot be read. */
export function textOrNothing(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** Whether this user or runtime sees that it exists. */
export function isThere(path: string): boolean {
  try {
    return existsSync(path);
  } catch {
    return false;
  }
}

/** Name of the user with that number, or the number. */
export function userName(uid: number, passwd: string | undefined = textOrNothing("/etc/passwd")): string {
  const line = passwd?.split("\n").find((one) => one.split(":")[2] === String(uid));
  return line?.split(":")[0] ?? `user ${uid}`;
}

/** File name of what a process runs, such as "mosquitto"; undefined when /proc does not tell. */
export function programOf(pid: number): string | undefined {
  const [program = ""] = textOrNothing(`/proc/${pid}/cmdline`)?.split("\0") ?? [];
  // A process may write there what it likes: only what looks like a path is taken.
  const name = /^\S+$/.test(program) ? basename(program) : textOrNothing(`/proc/${pid}/comm`)?.trim();
  return name === "" ? undefined : name;
}

/** Of a failed system call, such as "EACCES"; else the message. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}
