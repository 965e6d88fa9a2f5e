import { expect, test } from "vitest";
import { renderFindings } from "#agent/cli/render-findings.ts";
import type { Finding } from "#agent/doctor/finding.ts";

const findings: readonly Finding[] = [
  { check: "disk", level: "ok", what: "7 GiB free" },
  { check: "open-files", level: "problem", what: "a b c d e f g h i j k l", todo: "raise\u001b it a b c d e f g h i" },
  { check: "x", level: "advice", what: "y", todo: "z" },
];

test("findings stand in columns, with what to do below", () => {
  expect(renderFindings(findings, { unicode: true, colour: false, columns: undefined })).toBe(
    [
      "ok       disk        7 GiB free",
      "problem  open-files  a b c d e f g h i j k l",
      "                     → raise? it a b c d e f g h i",
      "advice   x           y",
      "                     → z",
      "",
      "1 problem, 1 advice; 1 ok",
      "",
    ].join("\n"),
  );
});

test("long texts are broken where somebody looks, and when all is well that is said", () => {
  expect(renderFindings(findings.slice(1, 2), { unicode: false, colour: false, columns: 42 })).toBe(
    [
      "problem  open-files  a b c d e f g h i j k",
      "                     l",
      "                     > raise? it a b c d e",
      "                       f g h i",
      "",
      "1 problem; 0 ok",
      "",
    ].join("\n"),
  );
  expect(renderFindings(findings.slice(0, 1), { unicode: false, colour: false, columns: 80 })).toContain(
    "all 1 are ok",
  );
});
