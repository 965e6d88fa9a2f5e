// How a command ends: exit codes, and one line on stderr for what went wrong.
import { type Command, CommanderError } from "commander";
import { type ErrorCode, FogbankError } from "#shared/errors.ts";
import type { CliIo } from "./io.ts";

const exitFailure = 1;
const exitUsage = 2;
const exitNotConnected = 3;
const exitInterrupted = 130;

/** A failure with exit code 1, whatever its code. */
export class CommandFailure extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CommandFailure";
    this.code = code;
  }
}

/** Runs `action` and ends with commander's CommanderError, which carries the exit code, when it does not end well. */
export async function runAction(command: Command, io: CliIo, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (error instanceof CommanderError || isBrokenPipe(error)) return rethrowUnlessPipe(error);
    if (io.signal.aborted) throw new CommanderError(exitInterrupted, "interrupted", "interrupted");
    if (!(error instanceof FogbankError) && !(error instanceof CommandFailure)) throw error;
    const exitCode = error instanceof CommandFailure ? exitFailure : exitCodeOf(error.code);
    command.error(`${error.code}: ${error.message}`, { exitCode, code: error.code });
  }
}

/** Ends a command that has said all there is to say. */
export function exitWith(exitCode: number): never {
  throw new CommanderError(exitCode, "done", "done");
}

function rethrowUnlessPipe(error: unknown): void {
  if (!isBrokenPipe(error)) throw error;
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EPIPE";
}

function exitCodeOf(code: ErrorCode): number {
  switch (code) {
    case "FOGBANK_NOT_CONNECTED":
      return exitNotConnected;
    case "FOGBANK_USAGE":
    case "FOGBANK_TOPIC_INVALID":
    case "FOGBANK_NAME_INVALID":
    case "FOGBANK_CONFIG_SYNTAX":
    case "FOGBANK_CONFIG_INVALID":
    case "FOGBANK_LISTEN_INSECURE":
    case "FOGBANK_TLS_INVALID":
    case "FOGBANK_USERS_INVALID":
      return exitUsage;
    default:
      return exitFailure;
  }
}
