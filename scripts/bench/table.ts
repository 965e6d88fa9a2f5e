// Figures as an aligned text table. Pure.

export interface Column {
  /** Which figure of a row stands here. */
  readonly key: string;
  /** With its unit. */
  readonly heading: string;
  /** Digits behind the point. */
  readonly digits: number;
}

export interface Row {
  readonly name: string;
  readonly figures: Readonly<Record<string, number>>;
  /** Behind the figures. */
  readonly note?: string;
}

/** One line per row under a line of headings; `-` stands for what was not measured. */
export function renderTable(title: string, columns: readonly Column[], rows: readonly Row[]): readonly string[] {
  const lines = cellsOf(title, columns, rows);
  const widths = lines[0]?.map((_, i) => Math.max(...lines.map((cells) => cells[i]?.length ?? 0))) ?? [];
  return lines.map((cells, line) =>
    [
      ...cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))),
      noteOf(rows, line),
    ]
      .join("  ")
      .trimEnd(),
  );
}

/** The same as a table of Markdown; notes stand in a column of their own if there are any. */
export function renderMarkdown(title: string, columns: readonly Column[], rows: readonly Row[]): readonly string[] {
  const hasNotes = rows.some(({ note }) => note !== undefined);
  const [head = [], ...lines] = cellsOf(title, columns, rows).map((cells, line) =>
    hasNotes ? [...cells, noteOf(rows, line)] : cells,
  );
  const rule = head.map((_, i) => (i === 0 || i > columns.length ? "---" : "---:"));
  return [head, rule, ...lines].map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`);
}

/** Of the headings, then of each row. */
function cellsOf(title: string, columns: readonly Column[], rows: readonly Row[]): readonly (readonly string[])[] {
  return [
    [title, ...columns.map(({ heading }) => heading)],
    ...rows.map(({ name, figures }) => [name, ...columns.map(({ key, digits }) => formatFigure(figures[key], digits))]),
  ];
}

function noteOf(rows: readonly Row[], line: number): string {
  return rows[line - 1]?.note ?? "";
}

/** `12,345.7` */
export function formatFigure(value: number | undefined, digits: number): string {
  if (value === undefined || !Number.isFinite(value)) return "-";
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
