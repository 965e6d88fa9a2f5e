// Executables of the functions directory, run for calls: a few at a time, the others wait for their turn.
import { limits } from "#shared/limits.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import { runChild } from "./child-run.ts";
import { executableFiles, type SchemaFile } from "./executable-files.ts";
import type { Outcome, Run } from "./run.ts";

export interface ExecutablesConfig {
  readonly directory: string;
  readonly maxSeconds: number;
  /** Processes at once. */
  readonly atOnce: number;
  readonly insecure: boolean;
  /** Name of this node. */
  readonly node: string;
  /** `PATH` of the child processes. */
  readonly searchPath: string;
}

/** Disposed: all processes have ended. */
export interface Executables extends AsyncDisposable {
  /** Whether there is a file of that name now, also one that is refused. */
  offers(name: string): boolean;
  /** The schema beside it. */
  schema(name: string): SchemaFile | undefined;
  /** Resolves with the outcome, however it ends. `signal`: nobody waits for it any more. */
  run(run: Run, signal: AbortSignal): Promise<Outcome>;
}

const stoppedBefore: Outcome = { status: "failed", reason: "it was stopped before it began" };
const notInTime: Outcome = { status: "expired", reason: "its turn did not come before the deadline" };

export function startExecutables(
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
  config: ExecutablesConfig,
): Executables {
  const files = executableFiles(log, config);
  const stop = new AbortController();
  const waiting: (() => void)[] = [];
  const runs = new Set<Promise<unknown>>();
  let running = 0;

  return {
    offers: (name) => files.find(name) !== undefined,
    schema: (name) => files.schema(name),
    async run(run, signal) {
      const done = runInTurn(run, AbortSignal.any([signal, stop.signal]));
      runs.add(done);
      try {
        return await done;
      } finally {
        runs.delete(done);
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(runs);
    },
  };

  async function runInTurn(run: Run, signal: AbortSignal): Promise<Outcome> {
    if (running < config.atOnce) running++;
    else {
      const tooLate = await turn(signal, run.dueMs);
      if (tooLate !== undefined) return tooLate;
    }
    try {
      return await runNow(run, signal);
    } finally {
      const next = waiting.shift();
      if (next === undefined) running--;
      else next(); // in the place of this one
    }
  }

  /** Resolves when it is the turn of this one; with its outcome when nobody waits for it any more, or its turn comes too late. */
  async function turn(signal: AbortSignal, dueMs: number): Promise<Outcome | undefined> {
    if (signal.aborted) return stoppedBefore;
    const { promise, resolve } = Promise.withResolvers<Outcome | undefined>();
    const over = new AbortController();
    const begin = (): void => resolve(undefined);
    const leave = (outcome: Outcome): void => {
      const at = waiting.indexOf(begin);
      if (at < 0) return; // its turn has come
      waiting.splice(at, 1);
      resolve(outcome);
    };
    waiting.push(begin);
    signal.addEventListener("abort", () => leave(stoppedBefore), { once: true, signal: over.signal });
    const lastMs = Math.max(0, dueMs - limits.startMarginMs - clock.monotonic());
    clock.sleep(lastMs, over.signal).then(
      () => leave(notInTime),
      () => undefined,
    );
    try {
      return await promise;
    } finally {
      over.abort();
    }
  }

  async function runNow(run: Run, signal: AbortSignal): Promise<Outcome> {
    const file = files.find(run.name);
    if (file === undefined) return { status: "failed", reason: "its file is gone" };
    if ("refused" in file) return { status: "refused", reason: file.refused };
    const { directory, node, searchPath, maxSeconds } = config;
    return runChild(clock, { path: file.path, directory, node, searchPath, maxMs: maxSeconds * 1000 }, run, signal);
  }
}
