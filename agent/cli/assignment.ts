// `--set key=value` as commander collects it.
import { InvalidArgumentError } from "commander";

export type Assignment = readonly [key: string, value: string];

/** Adds one option to those that came before. */
export function addAssignment(text: string, earlier: readonly Assignment[]): readonly Assignment[] {
  const split = text.indexOf("=");
  if (split < 1) throw new InvalidArgumentError("Expected key=value.");
  return [...earlier, [text.slice(0, split), text.slice(split + 1)]];
}
