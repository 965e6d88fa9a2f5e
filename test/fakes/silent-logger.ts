// A Logger that keeps what it is told for a test to look at.
import type { Logger } from "#shared/system/logger.ts";

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly fields: object;
  readonly phrase: string;
}

export interface SilentLogger extends Logger {
  /** Of this logger and its children, oldest first. */
  readonly lines: readonly LogLine[];
}

export function silentLogger(lines: LogLine[] = [], bound: object = {}): SilentLogger {
  const keep = (level: LogLine["level"]) => (fields: object, phrase: string) =>
    void lines.push({ level, fields: { ...bound, ...fields }, phrase });
  return {
    lines,
    debug: keep("debug"),
    info: keep("info"),
    warn: keep("warn"),
    error: keep("error"),
    child: (fields) => silentLogger(lines, { ...bound, ...fields }),
  };
}
