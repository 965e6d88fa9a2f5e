// What a process has had written to disks, from /proc. Linux.
import { readFileSync } from "node:fs";

/** Bytes of all pages that it made dirty, counted when they were. */
export function writtenBytes(pid: number): number {
  return parseWrittenBytes(readFileSync(`/proc/${pid}/io`, "latin1"));
}

/** From the text of /proc/PID/io. */
export function parseWrittenBytes(io: string): number {
  return Number(/^write_bytes: (\d+)$/m.exec(io)?.[1] ?? Number.NaN);
}
