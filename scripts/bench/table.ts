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
}

/** One line per row under a line of headings; `-` stands for what was not measured. */
export function renderTable(title: string, columns: readonly Column[], rows: readonly Row[]): readonly string[] {
  const lines = [
    [title, ...columns.map(({ heading }) => heading)],
    ...rows.map(({ name, figures }) => [name, ...columns.map(({ key, digits }) => formatFigure(figures[key], digits))]),
  ];
  const widths = lines[0]?.map((_, i) => Math.max(...lines.map((cells) => cells[i]?.length ?? 0))) ?? [];
  return lines.map((cells) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}

/** `12,345.7` */
export function formatFigure(value: number | undefined, digits: number): string {
  if (value === undefined || !Number.isFinite(value)) return "-";
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
