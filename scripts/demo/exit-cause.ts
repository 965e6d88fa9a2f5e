// How a process ended, and whose doing it was.

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Signals that somebody sends; the others are crashes. */
const sentSignals: ReadonlySet<string> = new Set(["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"]);

export function describeExit({ code, signal }: Exit): string {
  return signal === null ? `exit code ${code}` : `killed by ${signal}`;
}

/** Whether a running node was ended by somebody: killed, or told to stop, which it answers with code 0, or 130 after SIGINT. */
export function isEndedByHand({ code, signal }: Exit): boolean {
  return signal === null ? code === 0 || code === 130 : sentSignals.has(signal);
}
