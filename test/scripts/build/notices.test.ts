import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { makeNotices, packageFolder } from "../../../scripts/build/notices.ts";

/** A checkout with made-up packages, by name, each with these files. */
function checkout(packages: Readonly<Record<string, Readonly<Record<string, string>>>>, author?: string): string {
  const root = mkdtempSync(join(tmpdir(), "fogbank-notices-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const write = (folder: string, name: string, files: Readonly<Record<string, string>>): void => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name, version: "1.0.0", license: "MIT", author }));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  };
  write(root, "own", { LICENSE: "our own text" });
  for (const [name, files] of Object.entries(packages)) write(join(root, "node_modules", name), name, files);
  return root;
}

test("a file belongs to the innermost package", () => {
  expect(packageFolder("agent/main.ts")).toEqual([]);
  expect(packageFolder("node_modules/mqtt/build/index.js")).toEqual(["node_modules/mqtt"]);
  expect(packageFolder("../x/node_modules/@a/b/c.js")).toEqual(["../x/node_modules/@a/b"]);
  expect(packageFolder("node_modules/a/node_modules/b/c.js")).toEqual(["node_modules/a/node_modules/b"]);
});

test("the notices have our licence, that of each package in the bundle and no other, and that of Node", () => {
  const root = checkout({
    used: { "LICENSE-MIT": "text of used", NOTICE: "notice of used" },
    "@scope/other": { "licence.txt": "text of other" },
    unused: { LICENSE: "text of unused" },
  });
  const inputs = [
    "agent/main.ts",
    "node_modules/used/a.js",
    "node_modules/used/b.js",
    "node_modules/@scope/other/c.js",
  ];
  const text = makeNotices({ root, inputs, node: { version: "24.21.0", licence: "text of Node" } });
  const parts = ["our own text", "text of other", "text of used", "notice of used", "Node.js 24.21.0", "text of Node"];
  for (const part of parts) expect(text.split(part), part).toHaveLength(2);
  expect(text).not.toContain("text of unused");
});

test("a package without the text of its licence is refused, but where it is MIT and the author is known", () => {
  const made = (author?: string): string =>
    makeNotices({
      root: checkout({ bare: {} }, author),
      inputs: ["node_modules/bare/a.js"],
      node: { version: "24.21.0", licence: "" },
    });
  expect(() => made()).toThrow("bare 1.0.0 (MIT) comes without");
  expect(made("Ann Author <ann@example.org>")).toContain("Copyright (c) Ann Author\n");
});
