// How text may look where it is read: signs beyond ASCII, colours, width.
import type { CliIo } from "./io.ts";

export interface TextStyle {
  readonly unicode: boolean;
  readonly colour: boolean;
  /** Longer lines are cut; undefined where nobody looks at a screen. */
  readonly columns: number | undefined;
}

export type Paint = "plain" | "bold" | "dim" | "good" | "bad" | "doubtful";

const escapes: Readonly<Record<Paint, string>> = {
  plain: "",
  bold: "\u001b[1m",
  dim: "\u001b[2m",
  good: "\u001b[32m",
  bad: "\u001b[31m",
  doubtful: "\u001b[33m",
};

/** Colours only on a terminal, and not where NO_COLOR says so; UTF-8 as the locale has it. */
export function textStyleOf({ env, isTerminal, columns }: Pick<CliIo, "env" | "isTerminal" | "columns">): TextStyle {
  const locale = [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find((value) => value !== undefined && value !== "");
  return {
    unicode: /utf-?8/i.test(locale ?? ""),
    colour: isTerminal && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb",
    columns: isTerminal ? columns : undefined,
  };
}

export function painted(text: string, paint: Paint, style: TextStyle): string {
  return style.colour && paint !== "plain" ? `${escapes[paint]}${text}\u001b[0m` : text;
}

/** `text` with every control character but those in `kept` replaced, so that it cannot steer a terminal. */
export function printable(text: string, kept = ""): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (sign) => (kept.includes(sign) ? sign : "?"));
}

/** `text` within `width` columns, with a sign at its end when something is missing. */
export function cut(text: string, width: number, style: TextStyle): string {
  const signs = signsOf(text);
  if (signs.length <= width) return text;
  const end = style.unicode ? "…" : "...";
  return width <= end.length ? signs.slice(0, width).join("") : signs.slice(0, width - end.length).join("") + end;
}

/** The signs of `text` as people count them: one for a letter with its accents. */
export function signsOf(text: string): readonly string[] {
  segmenter ??= new Intl.Segmenter("en");
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** Made on first use: a node, which draws nothing, starts without its tables. */
let segmenter: Intl.Segmenter | undefined;
