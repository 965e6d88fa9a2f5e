// Whoever started this process as a service and wants to hear how it does: systemd, by its protocol sd_notify(3). Node has no
// datagram sockets of Unix, so the words go through systemd's own program for it.
import type { Logger } from "#shared/system/logger.ts";
import type { runProgram } from "../system/run-program.ts";

export interface ServiceManager {
  /** Within which it wants to hear `WATCHDOG=1` again and again, milliseconds; undefined where it does not. */
  readonly watchdogMs: number | undefined;
  /** Assignments such as `READY=1`. Resolves when they are told, or cannot be told, which is logged: never rejects. */
  tell(...assignments: readonly string[]): Promise<void>;
}

export interface ServiceManagerDeps {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly log: Logger;
  readonly run: typeof runProgram;
}

const program = "systemd-notify";
/** It waits for five seconds at most until its words are taken. */
const programMsMax = 30_000;

/**
 * Undefined where nobody wants to hear anything, which is everywhere but in a service. The socket comes from the environment alone:
 * whoever sets that has started this process.
 */
export function findServiceManager({ env, pid, log, run }: ServiceManagerDeps): ServiceManager | undefined {
  const socket = env["NOTIFY_SOCKET"] ?? "";
  if (socket === "") return undefined;
  const ownEnv = { NOTIFY_SOCKET: socket, PATH: env["PATH"] ?? "/usr/bin:/bin" };
  let isMissing = false;
  let isFailing = false;
  return {
    watchdogMs: watchdogMsOf(env, pid),
    async tell(...assignments) {
      if (isMissing) return;
      try {
        await run(program, assignments, { env: ownEnv, msMax: programMsMax });
        isFailing = false;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        isMissing = neverRuns(error);
        if (isMissing) log.warn({ program, reason }, "the service manager is not told how this node does");
        else if (!isFailing) log.warn({ program, reason }, "the service manager could not be told how this node does");
        isFailing = true;
      }
    },
  };
}

/** As sd_watchdog_enabled(3) reads it: microseconds, and meant for this process. */
function watchdogMsOf(env: ServiceManagerDeps["env"], pid: number): number | undefined {
  const { WATCHDOG_USEC: microseconds = "", WATCHDOG_PID: meant = String(pid) } = env;
  return /^[1-9]\d{0,15}$/.test(microseconds) && meant === String(pid) ? Number(microseconds) / 1000 : undefined;
}

/** Whether every further try would fail like this one: there is no such program, or no right to run it (under Deno without --allow-run). */
function neverRuns(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === "NotCapable") return true;
  return "code" in error && ["ENOENT", "EACCES", "EPERM"].includes(String(error.code));
}
