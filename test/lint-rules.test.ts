// A linter that sees nothing is green. Here each kind of rule in .oxlintrc.json meets code that breaks it, in a temporary
// tree of its own: type-aware rules, the import plugin, and the borders between the folders.
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** File in the temporary tree, its text, and the rule that must name it; null for code that keeps the rules. */
const samples: readonly (readonly [file: string, text: string, rule: string | null])[] = [
  [
    "agent/floating.ts",
    "async function wait(): Promise<void> {}\nexport function go(): void {\n  wait();\n}\n",
    "no-floating-promises",
  ],
  ["agent/any.ts", "export const loose: any = 1;\n", "no-explicit-any"],
  ["agent/bang.ts", "export const first = (list: string[]): string => list[0]!;\n", "no-non-null-assertion"],
  ["agent/default.ts", "export default 1;\n", "no-default-export"],
  ["agent/bare-builtin.ts", 'export { readFileSync } from "fs";\n', "prefer-node-protocol"],
  ["agent/ring-a.ts", 'import { b } from "./ring-b.ts";\nexport const a = (): number => b();\n', "no-cycle"],
  ["agent/ring-b.ts", 'import { a } from "./ring-a.ts";\nexport const b = (): number => a();\n', "no-cycle"],
  [
    "agent/switch.ts",
    'export function n(x: "a" | "b"): number {\n  switch (x) {\n    case "a":\n      return 1;\n  }\n  return 2;\n}\n',
    "switch-exhaustiveness-check",
  ],
  ["agent/into-cloud.ts", 'export { c } from "#cloud/plain.ts";\n', "no-restricted-imports"],
  ["agent/into-cloud-relative.ts", 'export { c } from "../cloud/plain.ts";\n', "no-restricted-imports"],
  ["agent/into-aedes.ts", 'export { Aedes } from "aedes";\n', "no-restricted-imports"],
  ["agent/into-cbor.ts", 'export { encode } from "cbor-x/index-no-eval";\n', "no-restricted-imports"],
  ["agent/into-cel.ts", 'export { parse } from "@marcbachmann/cel-js";\n', "no-restricted-imports"],
  ["agent/into-test.ts", 'export { t } from "../test/plain.ts";\n', "no-restricted-imports"],
  ["agent/into-timers.ts", 'export { setTimeout } from "node:timers/promises";\n', "no-restricted-imports"],
  ["agent/timer.ts", "export const later = (f: () => void): unknown => setTimeout(f, 1);\n", "no-restricted-globals"],
  ["agent/now.ts", "export const now = (): number => Date.now();\n", "no-restricted-properties"],
  ["agent/broker/into-cloud.ts", 'export { c } from "#cloud/plain.ts";\n', "no-restricted-imports"],
  ["agent/system/into-cloud.ts", 'export { c } from "#cloud/plain.ts";\n', "no-restricted-imports"],
  ["cloud/into-agent.ts", 'export { a } from "#agent/plain.ts";\n', "no-restricted-imports"],
  ["cloud/into-aedes.ts", 'export { Aedes } from "aedes";\n', "no-restricted-imports"],
  ["cloud/into-cel.ts", 'export { parse } from "@marcbachmann/cel-js";\n', "no-restricted-imports"],
  [
    "cloud/interval.ts",
    "export const often = (f: () => void): unknown => setInterval(f, 1);\n",
    "no-restricted-globals",
  ],
  ["cloud/chance.ts", "export const chance = (): number => Math.random();\n", "no-restricted-properties"],
  ["shared/into-node.ts", 'export { join } from "node:path";\n', "no-restricted-imports"],
  ["shared/into-agent.ts", 'export { a } from "#agent/plain.ts";\n', "no-restricted-imports"],
  ["shared/into-cloud.ts", 'export { c } from "../cloud/plain.ts";\n', "no-restricted-imports"],
  ["shared/into-package.ts", 'export { Aedes } from "aedes";\n', "no-restricted-imports"],
  ["shared/into-cbor.ts", 'export { encode } from "cbor-x/index-no-eval";\n', "no-restricted-imports"],
  ["shared/into-cel.ts", 'export { parse } from "@marcbachmann/cel-js";\n', "no-restricted-imports"],
  ["shared/condition/into-cel.ts", 'export { evaluate } from "@marcbachmann/cel-js";\n', "no-restricted-imports"],
  ["shared/date.ts", "export const at = new Date(0);\n", "no-restricted-globals"],
  ["shared/env.ts", "export const home = process.env;\n", "no-restricted-globals"],
  ["shared/bytes.ts", "export const bytes = Buffer.alloc(1);\n", "no-restricted-globals"],
  ["shared/chance.ts", "export const chance = (): number => Math.random();\n", "no-restricted-properties"],

  ["agent/plain.ts", 'export { s } from "#shared/plain.ts";\nexport const a = 1;\n', null],
  [
    "agent/main.ts",
    'export const load = (): Promise<unknown> => import("#cloud/plain.ts");\nexport { c } from "#cloud/plain.ts";\n',
    null,
  ],
  ["agent/broker/engine.ts", 'export { Aedes } from "aedes";\n', null],
  [
    "agent/system/clock.ts",
    'export const now = (): number => Date.now();\nexport { setTimeout } from "node:timers/promises";\n',
    null,
  ],
  ["cloud/plain.ts", "export const c = 1;\n", null],
  ["shared/plain.ts", "export const s = 1;\n", null],
  ["shared/cbor.ts", 'export { encode } from "cbor-x/index-no-eval";\nexport { s } from "./plain.ts";\n', null],
  [
    "shared/condition/syntax-tree.ts",
    'export { Environment } from "@marcbachmann/cel-js";\nexport { s } from "../plain.ts";\n',
    null,
  ],
  ["test/plain.ts", 'export { c } from "#cloud/plain.ts";\nexport const t = Date.now();\n', null],
];

test("every kind of lint rule is seen red on code that breaks it, and only there", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-lint-"));
  try {
    for (const name of [".oxlintrc.json", "package.json", "tsconfig.json"])
      cpSync(join(root, name), join(folder, name));
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    for (const [file, text] of samples) {
      mkdirSync(join(folder, dirname(file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    }
    const found = await lint(folder);
    const wrong = samples.flatMap(([file, , rule]) => {
      const rules = found.get(file) ?? [];
      const isRight = rule === null ? rules.length === 0 : rules.includes(rule);
      return isRight ? [] : [`${file}: expected ${rule ?? "nothing"}, found ${rules.join(", ") || "nothing"}`];
    });
    expect(wrong).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

interface Report {
  readonly diagnostics: readonly { readonly filename: string; readonly code: string }[];
}

/** Names of the broken rules by file. */
async function lint(folder: string): Promise<Map<string, string[]>> {
  const oxlint = join(root, "node_modules/oxlint/bin/oxlint");
  const stdout = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, [oxlint, "--deny-warnings", "--format=json"], { cwd: folder }, (error, out, errors) => {
      if (error?.code === 1) resolve(out);
      else reject(new Error(`oxlint did not find faults but ended with ${error?.code ?? 0}: ${out}${errors}`));
    });
  });
  const rulesByFile = new Map<string, string[]>();
  for (const { filename, code } of (JSON.parse(stdout) as Report).diagnostics) {
    const rule = code.replace(/^.*\(|\)$/g, "");
    rulesByFile.set(filename, [...(rulesByFile.get(filename) ?? []), rule]);
  }
  return rulesByFile;
}
