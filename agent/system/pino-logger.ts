// The Logger port over pino: JSON lines on stderr, written before the call returns, so that a crash loses none.
import { destination, pino, stdSerializers, type Logger as Pino } from "pino";
import type { Logger } from "#shared/system/logger.ts";

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** `fd` is standard error unless a test says otherwise. */
export function createPinoLogger(level: LogLevel, fd = 2): Logger {
  const options = { level, base: null, serializers: { error: stdSerializers.err } };
  return wrap(pino(options, destination({ fd, sync: true })));
}

function wrap(log: Pino): Logger {
  return {
    debug: (fields, phrase) => log.debug(fields, phrase),
    info: (fields, phrase) => log.info(fields, phrase),
    warn: (fields, phrase) => log.warn(fields, phrase),
    error: (fields, phrase) => log.error(fields, phrase),
    child: (fields) => wrap(log.child(fields)),
  };
}
