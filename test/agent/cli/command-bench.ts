// Runs a command as the process would, with everything it writes in memory.
import { type Command, CommanderError } from "commander";
import type { CliIo } from "#agent/cli/io.ts";
import type { Clock } from "#shared/system/clock.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

export interface BenchOptions extends Partial<
  Pick<CliIo, "env" | "readFile" | "isTerminal" | "isErrorTerminal" | "columns" | "stdin" | "askSecret">
> {
  /** Sleeps of that length are over at once; after so many of them the person presses Ctrl-C. */
  readonly quickSleeps?: { readonly ms: number; readonly count: number };
  /** Called with every text on stdout, before it counts as written; may throw. */
  readonly onStdout?: (text: string) => void;
  /** The same for stderr. */
  readonly onStderr?: (text: string) => void;
}

export interface Bench {
  readonly io: CliIo;
  readonly clock: FakeClock;
  readonly written: { stdout: string; stderr: string };
  /** Ctrl-C. */
  interrupt(): void;
  /** The command's exit code. */
  run(create: (io: CliIo) => Command, args: readonly string[]): Promise<number>;
}

export function createBench(options: BenchOptions = {}): Bench {
  const stop = new AbortController();
  const clock = new FakeClock(Date.parse("2026-07-10T12:00:00Z"));
  const written = { stdout: "", stderr: "" };
  const io: CliIo = {
    stdout: (text) => {
      options.onStdout?.(text);
      written.stdout += text;
    },
    stderr: (text) => {
      options.onStderr?.(text);
      written.stderr += text;
    },
    write: async (bytes) => void (written.stdout += new TextDecoder().decode(bytes)),
    env: options.env ?? {},
    readFile: options.readFile ?? (() => ""),
    hostname: "pump-1",
    clock: impatient(clock, stop, options.quickSleeps),
    isTerminal: options.isTerminal ?? false,
    isErrorTerminal: options.isErrorTerminal ?? false,
    columns: options.columns ?? 80,
    stdin: options.stdin ?? chunks(),
    ...(options.askSecret && { askSecret: options.askSecret }),
    signal: stop.signal,
  };
  return { io, clock, written, interrupt: () => stop.abort("SIGINT"), run: (create, args) => run(create(io), args) };
}

/** A stdin with these chunks and an end. */
export async function* chunks(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
}

async function run(command: Command, args: readonly string[]): Promise<number> {
  try {
    await command.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    throw error;
  }
}

function impatient(clock: Clock, stop: AbortController, quick: BenchOptions["quickSleeps"]): Clock {
  let left = quick?.count ?? 0;
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    sleep: (ms, signal) => {
      if (ms !== quick?.ms) return clock.sleep(ms, signal);
      if (left-- > 0) return Promise.resolve();
      stop.abort("SIGINT");
      return clock.sleep(ms, signal);
    },
  };
}
