// The Logger port over pino: JSON lines on stderr, written before the call returns, so that a crash loses none.
import { pino, stdSerializers, type Logger as Pino } from "pino";
import type { Logger } from "#shared/system/logger.ts";
import { logLines } from "./log-lines.ts";

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** A logger whose threshold can be moved while it runs, for all its children at once. */
export interface ControlledLogger extends Logger {
  level(): LogLevel;
  setLevel(level: LogLevel): void;
}

const ranks: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 };

/** `fd` is standard error unless a test says otherwise. */
export function createPinoLogger(level: LogLevel, fd = 2): ControlledLogger {
  const options = { level: "debug", base: null, serializers: { error: stdSerializers.err } };
  const threshold = { level };
  return {
    ...wrap(pino(options, { write: logLines(fd) }), threshold),
    level: () => threshold.level,
    setLevel: (wanted) => void (threshold.level = wanted),
  };
}

/** The threshold is ours: one of pino's own children keeps the level that it was born with. */
function wrap(log: Pino, threshold: { readonly level: LogLevel }): Logger {
  const write = (level: "debug" | "info" | "warn" | "error") => (fields: object, phrase: string) => {
    if (ranks[level] >= ranks[threshold.level]) log[level](fields, phrase);
  };
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: (fields) => wrap(log.child(fields), threshold),
  };
}
