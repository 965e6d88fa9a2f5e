import { expect, test } from "vitest";
import { formatFigure, renderMarkdown, renderTable } from "../../../scripts/bench/table.ts";

const columns = [
  { key: "rate", heading: "msg/s", digits: 0 },
  { key: "p99", heading: "p99 ms", digits: 2 },
];
const rows = [
  { name: "1 × 1", figures: { rate: 4321.4, p99: 0.5 } },
  { name: "50 × 20", figures: { rate: 70_000 } },
];
const noted = [...rows, { name: "2 | 3", figures: {}, note: "not supported" }];

test("figures stand right-aligned under their headings", () => {
  expect(renderTable("load", columns, rows)).toEqual([
    "load      msg/s  p99 ms",
    "1 × 1     4,321    0.50",
    "50 × 20  70,000       -",
  ]);
});

test("notes stand behind the figures", () => {
  expect(renderTable("load", columns, noted).at(-1)).toBe("2 | 3         -       -  not supported");
});

test("the same as Markdown, with a column for notes if there are any", () => {
  expect(renderMarkdown("load", columns, rows)).toEqual([
    "| load | msg/s | p99 ms |",
    "| --- | ---: | ---: |",
    "| 1 × 1 | 4,321 | 0.50 |",
    "| 50 × 20 | 70,000 | - |",
  ]);
  expect(renderMarkdown("load", columns, noted)).toEqual([
    "| load | msg/s | p99 ms |  |",
    "| --- | ---: | ---: | --- |",
    "| 1 × 1 | 4,321 | 0.50 |  |",
    "| 50 × 20 | 70,000 | - |  |",
    "| 2 \\| 3 | - | - | not supported |",
  ]);
});

test("what was not measured is told from zero", () => {
  expect(formatFigure(0, 1)).toBe("0.0");
  expect(formatFigure(undefined, 1)).toBe("-");
  expect(formatFigure(Number.NaN, 1)).toBe("-");
  expect(formatFigure(Number.POSITIVE_INFINITY, 0)).toBe("-");
});
