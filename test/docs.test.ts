// What the documents name exists: tests by file and title, commands, files, faults that are put in on purpose.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (file: string): string => readFileSync(join(root, file), "utf8");

interface NamedTest {
  readonly file: string;
  /** A part of a test's title; absent where the file as a whole is named. */
  readonly title?: string;
}

/** `` `test/a.test.ts` "part of a title", "part of another" `` */
function namedTests(text: string): readonly NamedTest[] {
  return [...text.matchAll(/`(test\/[^`\s]+\.ts)`((?:,? "[^"\n]+")*)/g)].flatMap(([, file = "", quoted = ""]) => {
    const titles = [...quoted.matchAll(/"([^"]+)"/g)].map(([, title = ""]) => ({ file, title }));
    return titles.length === 0 ? [{ file }] : titles;
  });
}

/** The line of the file with a string, outside of comments, that has `title` in it. */
function lineWith(file: string, title: string): string | undefined {
  const lines = read(file).split("\n");
  return lines.find((line) => {
    const at = line.indexOf(title);
    return at > 0 && !/^\s*(?:\/\/|\*|\/\*)/.test(line) && /["'`]/.test(line.slice(0, at));
  });
}

function missingTests(text: string): readonly string[] {
  return namedTests(text).flatMap(({ file, title }) => {
    if (!existsSync(join(root, file))) return [`${file} is not there`];
    return title === undefined || lineWith(file, title) !== undefined ? [] : [`${file} has no test "${title}"`];
  });
}

const documents = [
  ...readdirSync(root).filter((name) => name.endsWith(".md")),
  ...["agent", "cloud", "docs", "shared"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".md"))
      .map((name) => posix.join(folder, name)),
  ),
];

test("every test that a guarantee rests on exists", () => {
  const guarantees = read("docs/guarantees.md");
  expect(namedTests(guarantees).length).toBeGreaterThan(100);
  expect(missingTests(guarantees)).toEqual([]);
});

test("each requirement has tests that exist, and the change that turned one of them red", () => {
  const requirements = read("docs/requirements.md");
  expect(missingTests(requirements)).toEqual([]);
  const rows = requirements.split("\n").filter((line) => line.startsWith("| J"));
  const ids = rows.map((row) => idOf(row));
  const checklist = [...Array.from({ length: 15 }, (_, index) => `J${index + 1}`), "J16.1–3", "J16.4–6", "J16.7–9"];
  const scenarios = Array.from({ length: 10 }, (_, index) => `J-S${index + 1}`);
  expect(ids).toEqual([...checklist, "J16.10–12", "J16.14", "J16.15", "J16.16", ...scenarios]);
  expect(rows.filter((row) => namedTests(row).length === 0 || row.split(" | ").length !== 4)).toEqual([]);
  // One of the tests says in its title which requirement it is for; an acceptance scenario runs on real processes.
  const carriesId = (row: string, { file, title }: NamedTest): boolean => {
    const line = title === undefined ? "" : (lineWith(file, title) ?? "");
    const [first] = idOf(row).split("–");
    return line.includes(`[${first}]`) || line.includes(`[${first}–`);
  };
  const isProven = (row: string): boolean =>
    namedTests(row).some(
      (one) => carriesId(row, one) && (!idOf(row).startsWith("J-S") || one.file.startsWith("test/process/")),
    );
  expect(rows.filter((row) => !isProven(row))).toEqual([]);
});

function idOf(row: string): string {
  return row.split(" | ")[0]?.slice(2) ?? "";
}

test("a title that nobody tests, a comment, and a file that is gone are found", () => {
  const own = "`test/docs.test.ts`";
  expect(missingTests(`${own} "every test that a guarantee rests on exists", "what the documents name"`)).toEqual([]);
  const commentOfThisFile = ["What the documents", "name exists"].join(" ");
  const unknown = ["nobody", "has written this"].join(" ");
  expect(missingTests(`${own} "${commentOfThisFile}", "${unknown}"; \`test/gone.test.ts\``)).toEqual([
    `test/docs.test.ts has no test "${commentOfThisFile}"`,
    `test/docs.test.ts has no test "${unknown}"`,
    "test/gone.test.ts is not there",
  ]);
});

test("each promise, fault, invariant and theme in the tables of the guarantees has a proof", () => {
  const rows = read("docs/guarantees.md")
    .split("\n")
    .filter((line) => /^\| (?:\*\*|O?\d+ \|)/.test(line));
  expect(rows.length).toBeGreaterThan(50);
  expect(rows.filter((row) => namedTests(row).length === 0 && !row.includes("`npm run "))).toEqual([]);
  const themes = rows.flatMap((row) => /^\| (\d+) \|/.exec(row)?.[1] ?? []);
  expect(themes).toEqual(Array.from({ length: 20 }, (_, index) => String(index + 1)));
});

test("commands that the documents name are scripts of package.json", () => {
  const { scripts } = JSON.parse(read("package.json")) as { readonly scripts: Readonly<Record<string, string>> };
  const named = documents.flatMap((file) =>
    [...read(file).matchAll(/\bnpm run (?:-s )?([\w:-]+)/g)].map(([, script = ""]) => ({ file, script })),
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter(({ script }) => scripts[script] === undefined)).toEqual([]);
});

test("links between the documents lead to files", () => {
  const links = documents.flatMap((file) =>
    [...read(file).matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)].map(([, target = ""]) => ({
      file,
      target: posix.join(posix.dirname(file), target),
    })),
  );
  expect(links.length).toBeGreaterThan(20);
  expect(links.filter(({ target }) => !existsSync(join(root, target)))).toEqual([]);
});

test("docs/testing.md lists the mutations, each with the tests that catch it", () => {
  const mutations = read("test/process/mutations.test.ts")
    .split(/^ {4}fault:/m)
    .slice(1);
  expect(mutations.length).toBeGreaterThan(5);
  const rows = read("docs/testing.md").split("\n");
  const listed = mutations.map((text) => {
    const fault = /"([^"]+)"/.exec(text)?.[1] ?? "";
    return rows.filter((row) => row.startsWith(`| ${fault} |`)).length === 1 ? "" : `not listed: ${fault}`;
  });
  expect(listed.filter((complaint) => complaint !== "")).toEqual([]);
  const table = rows.filter((row) => /^\| .*`test\//.test(row)).join("\n");
  expect(missingTests(table)).toEqual([]);
});
