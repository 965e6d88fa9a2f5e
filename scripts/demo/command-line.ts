// Options of the scripts: parsed once, with the exit codes that the heads of the scripts promise.
import { CommanderError, InvalidArgumentError } from "commander";

/**
 * Answers what `parse` does, by a command with `exitOverride()`; or the exit code when there is nothing to do: 0 after the help
 * text, 2 after a usage error.
 */
export function parseOptions<Options>(parse: () => Options): Options | number {
  try {
    return parse();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}

/** For an option whose value is a whole number. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,9}$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`);
  };
}

/** For an option whose value is a regular expression, whatever the case of its letters. */
export function pattern(text: string): RegExp {
  try {
    return new RegExp(text, "i");
  } catch {
    throw new InvalidArgumentError("Give a regular expression.");
  }
}

/** For an option that may be repeated, each time with one of `names`. */
export function oneOf<Name extends string>(names: readonly Name[]) {
  return (text: string, given: readonly Name[] | undefined): readonly Name[] => {
    const name = names.find((candidate) => candidate === text);
    if (name === undefined) throw new InvalidArgumentError(`Give one of ${names.join(", ")}.`);
    return [...(given ?? []), name];
  };
}

/** For an option whose value is some of `names`, with commas between them. */
export function listOf<Name extends string>(names: readonly Name[]): (text: string) => readonly Name[] {
  return (text) => text.split(",").flatMap((name) => oneOf(names)(name, undefined));
}
