// Runs a program of the machine to its end, without a shell.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);

export interface ProgramRun {
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** After so many milliseconds it is ended. */
  readonly msMax: number;
}

/** Answers what it wrote to stdout. Rejects when it cannot be started or does not end well, with what it wrote to stderr. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { env, msMax }: ProgramRun,
): Promise<string> {
  const { stdout } = await execute(program, args, { env, timeout: msMax });
  return stdout;
}
