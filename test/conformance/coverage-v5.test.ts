// Every normative statement of MQTT 5.0 has a test that names it, or a reason in the document why it has none.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** `section: highest number`, or `section: first-highest`, of the statements in Appendix B of the OASIS standard. */
const statements = `
1.5.4: 3, 1.5.5: 1, 1.5.7: 1, 2.1.3: 1, 2.2.1: 2-6, 2.2.2: 1,
3.1.0: 2, 3.1.2: 30, 3.1.3: 12, 3.1.4: 6, 3.2.0: 2, 3.2.2: 22,
3.3.1: 13, 3.3.2: 20, 3.3.4: 10, 3.4.2: 3, 3.5.2: 3, 3.6.1: 1, 3.6.2: 3, 3.7.2: 3,
3.8.1: 1, 3.8.3: 5, 3.8.4: 8, 3.9.2: 2, 3.9.3: 2, 3.10.1: 1, 3.10.3: 2, 3.10.4: 6, 3.11.2: 2, 3.11.3: 2,
3.12.4: 1, 3.14.0: 1, 3.14.1: 1, 3.14.2: 4, 3.14.4: 3, 3.15.1: 1, 3.15.2: 3,
4.1.0: 2, 4.2.0: 1, 4.3.1: 1, 4.3.2: 5, 4.3.3: 13, 4.4.0: 2, 4.5.0: 2, 4.6.0: 6,
4.7.0: 1, 4.7.1: 2, 4.7.2: 1, 4.7.3: 4, 4.8.2: 6, 4.9.0: 3, 4.12.0: 7, 4.12.1: 2, 4.13.1: 1, 4.13.2: 1, 6.0.0: 4`;

const known = [...statements.matchAll(/([\d.]+): (?:(\d+)-)?(\d+)/g)].flatMap(([, section, first, last]) =>
  range(Number(first ?? 1), Number(last)).map((number) => `MQTT-${section}-${number}`),
);

const id = /\[(MQTT-\d+\.\d+\.\d+-\d+)\]/g;

const tested = readdirSync(import.meta.dirname)
  .filter((file) => /^v5-.*\.test\.ts$/.test(file))
  .flatMap((file) => {
    const source = readFileSync(new URL(file, import.meta.url), "utf8");
    const names = [...source.matchAll(/\btest(?:\.\w+\([^]*?\))?\(\s*(["'`])([^]*?)\1/g)];
    return names.flatMap(([, , name = ""]) => [...name.matchAll(id)].map(([, found]) => found));
  });

const document = readFileSync(new URL("../../docs/mqtt-conformance.md", import.meta.url), "utf8");
const section = /^## MQTT 5\.0\n([^]*?)(?=^## |(?![^]))/m.exec(document)?.[1] ?? "";
const untested = [...section.matchAll(/^\| (MQTT-[\d.]+-\d+) \| \S/gm)].map(([, found]) => found);

test("every normative statement of MQTT 5.0 is tested, or listed with a reason", () => {
  expect(known.length).toBe(251);
  expect(known.filter((statement) => !tested.includes(statement) && !untested.includes(statement))).toEqual([]);
});

test("tests and document name no statement of MQTT 5.0 that there is not, and none in both", () => {
  expect([...tested, ...untested].filter((statement) => statement === undefined || !known.includes(statement))).toEqual(
    [],
  );
  expect(untested.filter((statement) => tested.includes(statement))).toEqual([]);
});

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
