// A JSON value typed by a person: what is wrong with it is told with its line and column, which the engine's message often lacks.
import { positionOf, quoteBriefly } from "#shared/condition/position.ts";
import { FogbankError } from "#shared/errors.ts";

const shownChars = 20;

/** Throws FOGBANK_USAGE. `what` it is for begins the message. */
export function parseJsonArgument(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const offset = faultOffset(text);
    const { line, column } = positionOf(text, offset);
    const found = text.slice(offset, offset + shownChars);
    const fault = found === "" ? "the end is missing" : `unexpected ${quoteBriefly(found)}`;
    throw new FogbankError("FOGBANK_USAGE", `${what}: not JSON at line ${line}, column ${column}: ${fault}`, { cause });
  }
}

const blanks = /[\t\n\r ]*/y;
const token =
  /(?:(?<mark>[{}[\],:])|(?<text>"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*")|(?<other>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/y;

/** What may come next: `first` and `key` only behind `[` and `{`, where the bracket may also close. */
type Expected = "value" | "first" | "key" | "next-key" | "colon" | "more";

/** Where the first token stands that cannot be there; the text's end when something is missing. Only for what is no JSON. */
function faultOffset(text: string): number {
  const open: ("[" | "{")[] = [];
  let expected: Expected | undefined = "value";
  for (let offset = 0; ; offset = token.lastIndex) {
    blanks.lastIndex = offset;
    blanks.exec(text);
    token.lastIndex = blanks.lastIndex;
    const groups = token.exec(text)?.groups;
    if (groups === undefined) return blanks.lastIndex;
    expected = step(expected, groups["mark"] ?? (groups["text"] === undefined ? "other" : "text"), open);
    if (expected === undefined) return blanks.lastIndex;
  }
}

function step(expected: Expected, found: string, open: ("[" | "{")[]): Expected | undefined {
  const within = open.at(-1);
  if (expected === "colon") return found === ":" ? "value" : undefined;
  if (expected === "key" || expected === "next-key") {
    if (found === "text") return "colon";
    return found === "}" && expected === "key" ? close(open) : undefined;
  }
  if (expected === "more") {
    if (found === "," && within !== undefined) return within === "[" ? "value" : "next-key";
    const isClosing = (found === "]" && within === "[") || (found === "}" && within === "{");
    return isClosing ? close(open) : undefined;
  }
  if (found === "text" || found === "other") return "more";
  if (found === "]" && expected === "first") return close(open);
  if (found !== "[" && found !== "{") return undefined;
  open.push(found);
  return found === "[" ? "first" : "key";
}

function close(open: ("[" | "{")[]): Expected {
  open.pop();
  return "more";
}
