// Every normative statement of MQTT 3.1.1 (appendix B of the standard) is named by a test, or listed with a reason in
// docs/mqtt-conformance.md; and nothing else is.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** How many statements each section has: `1.5.3` has [MQTT-1.5.3-1] to [MQTT-1.5.3-3]. */
const statementsOf: Readonly<Record<string, number>> = {
  "1.5.3": 3,
  "2.2.2": 2,
  "2.3.1": 7,
  "3.1.0": 2,
  "3.1.2": 24,
  "3.1.3": 11,
  "3.1.4": 5,
  "3.2.0": 1,
  "3.2.2": 6,
  "3.3.1": 12,
  "3.3.2": 3,
  "3.3.4": 1,
  "3.3.5": 2,
  "3.6.1": 1,
  "3.8.1": 1,
  "3.8.3": 3,
  "3.8.4": 6,
  "3.9.3": 2,
  "3.10.1": 1,
  "3.10.3": 2,
  "3.10.4": 6,
  "3.12.4": 1,
  "3.14.1": 1,
  "3.14.4": 3,
  "4.1.0": 2,
  "4.3.1": 1,
  "4.3.2": 2,
  "4.3.3": 2,
  "4.4.0": 1,
  "4.5.0": 2,
  "4.6.0": 6,
  "4.7.1": 3,
  "4.7.2": 1,
  "4.7.3": 4,
  "4.8.0": 2,
  "6.0.0": 4,
  "7.0.0": 2,
  "7.1.1": 1,
  "7.1.2": 1,
};

/** The standard writes one of them with a hyphen for a dot. */
const misspelt = "MQTT-3-8.3-4";

const statements = [
  ...Object.entries(statementsOf).flatMap(([section, count]) =>
    Array.from({ length: count }, (_, at) => `MQTT-${section}-${at + 1}`),
  ),
  misspelt,
];

const here = new URL("./", import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, here), "utf8");
const suites = readdirSync(here).filter((name) => /^v311-.*\.test\.ts$/.test(name));

/** Identifiers in brackets, in the order of the text. */
function idsIn(text: string): readonly string[] {
  return [...text.matchAll(/\[(MQTT-\d[^\]\s]*)\]/g)].map(([, id]) => id ?? "");
}

/** What a suite claims: the identifiers in its texts, which are the names of its tests and of the rows of their tables. */
function claims(suite: string): readonly string[] {
  const code = read(suite).replaceAll(/^\s*\/\/.*$|\/\*\*[^]*?\*\//gm, "");
  const texts = code.match(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g) ?? [];
  return texts.flatMap(idsIn);
}

/** The rows of the table under "MQTT 3.1.1" in the document: identifiers (one or several a row), and the reason. */
function listed(): readonly (readonly [id: string, reason: string])[] {
  const section = /^## MQTT 3\.1\.1\n([^]*?)(?=^## |(?![^]))/m.exec(read("../../docs/mqtt-conformance.md"))?.[1] ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| [MQTT-"));
  return rows.flatMap((row) => {
    const [, ids = "", reason = ""] = row.split("|");
    return idsIn(ids).map((id) => [id, reason.trim()] as const);
  });
}

const tested = new Set(suites.flatMap(claims));
const untested = listed();

test("the list of statements is that of the standard", () => {
  expect(statements).toHaveLength(141);
  expect(new Set(statements).size).toBe(statements.length);
  expect(suites.length).toBeGreaterThan(8);
});

test("every statement of MQTT 3.1.1 is tested, or listed with a reason", () => {
  const known = new Set([...tested, ...untested.map(([id]) => id)]);
  expect(statements.filter((id) => !known.has(id))).toEqual([]);
  expect(untested.filter(([, reason]) => reason.length < 10)).toEqual([]);
});

test("no test and no row names a statement that does not exist", () => {
  const real = new Set(statements);
  expect([...tested].filter((id) => !real.has(id))).toEqual([]);
  expect(untested.filter(([id]) => !real.has(id))).toEqual([]);
});

test("no statement is both tested and listed, or listed twice", () => {
  const ids = untested.map(([id]) => id);
  expect(ids.filter((id, at) => tested.has(id) || ids.indexOf(id) !== at)).toEqual([]);
});

test("no test of the suites is switched off, but where the broker is not ours", () => {
  const off = suites.flatMap(
    (suite) => read(suite).match(/\btest(?:\.\w+)*\.(?:skip|todo|fails|skipIf)\((?!isExternal\))/g) ?? [],
  );
  expect(off).toEqual([]);
});
