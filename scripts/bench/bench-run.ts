// What every benchmark program needs around its measurement: a folder that is removed, and an end in order.
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";

const exitInterrupted = 130;

/** Calls `work` with a fresh folder in `parent`. The process ends with 1 if it fails, with 130 at Ctrl-C. */
export async function runInBenchFolder(parent: string, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(parent, "fogbank-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  // What was started ends when the pipes from here close.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(exitInterrupted));
  try {
    await work(folder);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  }
}

export function say(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
}

export function sayProgress(text: string): void {
  process.stderr.write(`${text}\n`);
}
