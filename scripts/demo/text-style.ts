// What the terminal can show: line drawing and colours, or plain ASCII.

export interface TextStyle {
  readonly unicode: boolean;
  readonly colour: boolean;
}

export type Colour = "green" | "red" | "yellow" | "dim" | "bold";

/** A piece of a line in one colour. */
export interface Span {
  readonly text: string;
  readonly colour?: Colour | undefined;
}

const codes: Readonly<Record<Colour, string>> = { green: "32", red: "31", yellow: "33", dim: "2", bold: "1" };

/** Plain ASCII where the locale is not UTF-8, and where NO_COLOR is set. */
export function styleOf(env: Readonly<Record<string, string | undefined>>, isTerminal: boolean): TextStyle {
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "";
  const isPlain = (env["NO_COLOR"] ?? "") !== "";
  const unicode = /utf-?8/i.test(locale) && !isPlain;
  return { unicode, colour: isTerminal && !isPlain && env["TERM"] !== "dumb" };
}

/** The spans as one text, cut to `columns` visible characters. */
export function renderLine(spans: readonly Span[], style: TextStyle, columns = Number.POSITIVE_INFINITY): string {
  let left = columns;
  let line = "";
  for (const { text, colour } of spans) {
    const shown = text.slice(0, left);
    left -= shown.length;
    line += style.colour && colour !== undefined && shown !== "" ? `\x1b[${codes[colour]}m${shown}\x1b[0m` : shown;
  }
  return style.unicode ? line : toAscii(line);
}

/** Stands in for the few other characters that the demo uses. */
function toAscii(text: string): string {
  return text
    .replaceAll("├─", "|-")
    .replaceAll("└─", "`-")
    .replaceAll("│", "|")
    .replaceAll("…", "...")
    .replaceAll("─", "-")
    .replaceAll("·", "-");
}

/** `12 s`, `1 m 12 s`, `2 h 03 m`: without the spaces, to fit a column. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  const two = (value: number): string => String(value).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h${two(Math.floor(seconds / 60) % 60)}m`;
}

/** `1,234`, or `-` when it is not known. */
export function formatCount(count: number | undefined): string {
  return count === undefined ? "-" : count.toLocaleString("en-US");
}

/** Time of day, local: `10:22:31`. */
export function formatTime(ms: number): string {
  return new Date(ms).toTimeString().slice(0, 8);
}
