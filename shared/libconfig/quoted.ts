// One quoted string of a configuration text, with its escapes, in both directions.
import { type Position, syntaxError } from "./position.ts";

const plainPattern = /[^"\\\u0000-\u0008\u000A-\u001F\u007F]+/y;
const hexPattern = /[0-9A-Fa-f]{2}/y;

const charsByEscape: ReadonlyMap<string, string> = new Map([
  ["\\", "\\"],
  ['"', '"'],
  ["a", "\u0007"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["v", "\v"],
]);

/** The string whose opening quote stands at `offset`, and where the text goes on behind its closing quote. */
export function readString(
  text: string,
  offset: number,
  position: (offset: number) => Position,
): { readonly value: string; readonly endOffset: number } {
  const parts: string[] = [];
  let next = offset + 1;
  for (;;) {
    plainPattern.lastIndex = next;
    const plain = plainPattern.exec(text)?.[0] ?? "";
    parts.push(plain);
    next += plain.length;
    const char = text[next];
    if (char === '"') return { value: parts.join(""), endOffset: next + 1 };
    if (char !== "\\") {
      const expected = 'a closing " for the string that begins here';
      throw syntaxError(position(offset), expected, describeBreak(char));
    }
    const escape = text[next + 1] ?? "";
    hexPattern.lastIndex = next + 2;
    const hex = escape === "x" ? hexPattern.exec(text)?.[0] : undefined;
    const value = hex === undefined ? charsByEscape.get(escape) : String.fromCharCode(Number.parseInt(hex, 16));
    if (value === undefined) {
      const expected = 'one of the escapes \\\\ \\" \\a \\b \\f \\n \\r \\t \\v \\xHH';
      throw syntaxError(position(next), expected, describeEscape(escape));
    }
    parts.push(value);
    next += hex === undefined ? 2 : 4;
  }
}

/** `value` as one quoted string, with only those escapes that libconfig itself knows. */
export function quoteString(value: string): string {
  return `"${value.replace(/["\\\u0000-\u001F\u007F]/g, escapeChar)}"`;
}

function escapeChar(char: string): string {
  switch (char) {
    case '"':
    case "\\":
      return `\\${char}`;
    case "\n":
      return "\\n";
    case "\r":
      return "\\r";
    case "\t":
      return "\\t";
    case "\f":
      return "\\f";
    default:
      return `\\x${char.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase()}`;
  }
}

function describeBreak(char: string | undefined): string {
  if (char === undefined) return "the end of the file";
  if (char === "\n" || char === "\r") return "the end of the line";
  return `the control character U+${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

function describeEscape(escape: string): string {
  return /^[!-~]$/.test(escape) ? `\\${escape}` : "a backslash alone";
}
