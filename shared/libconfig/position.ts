// Where in which text something stands, and the one kind of error that this folder throws.
import { FogbankError } from "../errors.ts";

/** Line and column count from 1; a column is one UTF-16 code unit. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** `file:line:column` */
export function formatPosition(at: Position): string {
  return `${at.file}:${at.line}:${at.column}`;
}

/** FOGBANK_CONFIG_SYNTAX with the message `file:line:column: expected …, found …`. */
export function syntaxError(at: Position, expected: string, found: string, options?: ErrorOptions): FogbankError {
  return new FogbankError(
    "FOGBANK_CONFIG_SYNTAX",
    `${formatPosition(at)}: expected ${expected}, found ${found}`,
    options,
  );
}

/** A piece of the text as an error message shows it. */
export function quoteBriefly(text: string): string {
  return text.length > 60 ? `"${text.slice(0, 60)}…"` : `"${text}"`;
}
