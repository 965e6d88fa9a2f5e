import { expect, test } from "vitest";
import { type Cell, renderTable } from "#agent/cli/render-table.ts";

const columns = [{ title: "NAME" }, { title: "COUNT", align: "right" as const }, { title: "NOTE" }];
const plain = { unicode: false, colour: false, columns: undefined };

function row(name: string, count: string, note: string): readonly Cell[] {
  return [{ text: name }, { text: count }, { text: note, paint: "bad" }];
}

test("columns are as wide as their longest cell, and nothing trails", () => {
  expect(renderTable(columns, [row("a-long-name", "7", ""), row("é", "1234567", "x")], plain)).toBe(
    ["NAME           COUNT  NOTE", "a-long-name        7", "é            1234567  x", ""].join("\n"),
  );
});

test("lines end where the terminal does, colours do not count", () => {
  const style = { unicode: true, colour: true, columns: 16 };
  expect(renderTable(columns, [row("abc", "7", "too long")], style)).toBe(
    [
      "\u001b[2mNAME\u001b[0m  \u001b[2mCOUNT\u001b[0m  \u001b[2mNO…\u001b[0m",
      "abc       7  \u001b[31mto…\u001b[0m",
      "",
    ].join("\n"),
  );
});

test("a cell cannot break out of its line", () => {
  expect(renderTable([{ title: "A" }], [[{ text: "x\ny\u001b[2J" }]], plain)).toBe("A\nx?y?[2J\n");
});
