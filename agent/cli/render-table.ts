// A table in text: columns as wide as their longest cell, two spaces between them.
import { cut, type Paint, painted, printable, signsOf, type TextStyle } from "./text-style.ts";

export interface Cell {
  readonly text: string;
  readonly paint?: Paint;
}

export interface Column {
  readonly title: string;
  readonly align?: "right";
}

const gap = "  ";

/** One line per row below the titles, each ending with a line feed. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly Cell[])[], style: TextStyle): string {
  const titles: readonly Cell[] = columns.map(({ title }) => ({ text: title, paint: "dim" }));
  const lines = [titles, ...rows].map((row) => row.map((cell) => ({ ...cell, text: printable(cell.text) })));
  const widths = columns.map((_column, at) => Math.max(...lines.map((row) => widthOf(row[at]?.text ?? ""))));
  return lines.map((row) => `${renderRow(row, columns, widths, style)}\n`).join("");
}

function renderRow(
  row: readonly Cell[],
  columns: readonly Column[],
  widths: readonly number[],
  style: TextStyle,
): string {
  const last = row.findLastIndex(({ text }) => text !== "");
  let left = style.columns ?? Infinity;
  let line = "";
  for (const [at, { text, paint = "plain" }] of row.slice(0, last + 1).entries()) {
    const padding = " ".repeat((widths[at] ?? 0) - widthOf(text));
    const isRight = columns[at]?.align === "right";
    const before = (at === 0 ? "" : gap) + (isRight ? padding : "");
    const after = isRight || at === last ? "" : padding;
    if (before.length >= left) break;
    line += before + painted(cut(text, left - before.length, style), paint, style) + after;
    left -= before.length + widthOf(text) + after.length;
    if (left <= 0) break;
  }
  return line.trimEnd();
}

function widthOf(text: string): number {
  return signsOf(text).length;
}
