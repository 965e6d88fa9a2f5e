// Each of these faults, put into a copy of the sources, must be caught by the tests that are named with it. A fault whose text is no
// longer found in the sources fails here too: then it is to be put in anew, not to be dropped.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

interface Mutation {
  /** What is broken, as a programmer could have done it. */
  readonly fault: string;
  readonly edits: readonly { readonly file: string; readonly find: string; readonly replace: string }[];
  /** The test that turns red, by a part of its name. */
  readonly caughtBy: readonly { readonly file: string; readonly test: string }[];
}

const operationsTest = "test/agent/store/node-operations.test.ts";
const segments = "agent/store/segment-repository.ts";

const mutations: readonly Mutation[] = [
  {
    fault: "the highest number is not saved with deletes: the next one follows from the rows that are left",
    edits: [
      { file: segments, find: "const first = row.high + 1;", replace: "const first = this.#highestOf(key) + 1;" },
      {
        file: segments,
        find: "const last = row.high + segment.items;",
        replace: "const last = first + segment.items - 1;",
      },
      {
        file: segments,
        find: "  add(segment: NewSegment): void {",
        replace: `  #highestOf(key: StreamKey): number {
    const row = this.#database
      .prepare("SELECT MAX(first + items - 1) AS last FROM segment WHERE origin = ? AND stream = ?")
      .get(key.origin, key.stream);
    return Number(row?.["last"] ?? 0);
  }

  add(segment: NewSegment): void {`,
      },
      {
        file: segments,
        find: "    this.#streams = streams;",
        replace: "    this.#database = database;\n    this.#streams = streams;",
      },
      {
        file: segments,
        find: "  readonly #streams: StreamRepository;",
        replace: "  readonly #database: DatabaseSync;\n  readonly #streams: StreamRepository;",
      },
    ],
    caughtBy: [{ file: operationsTest, test: "[O4] numbers go on after everything was delivered" }],
  },
  {
    fault: "a batch is acknowledged before its commit",
    edits: [
      {
        file: "agent/link/child-links.ts",
        find: 'const outcome = await this.#deps.store.write("ingest",',
        replace: `this.#acknowledge(child, batch, {
        acked: segments.map(({ origin, epoch, streamId, first, items }) => ({
          origin,
          epoch,
          streamId,
          ranges: [[first, first + items - 1] as const],
        })),
        naks: [],
      });
      const outcome = await this.#deps.store.write("ingest",`,
      },
    ],
    caughtBy: [
      {
        file: "test/agent/link/child-links.acknowledgement.test.ts",
        test: "[O5] a parent that dies: before the commit nothing is acknowledged",
      },
    ],
  },
  {
    fault: "low marks are ignored",
    edits: [
      {
        file: "agent/store/link-operations.ts",
        find: "streams.change({ origin: streams.originId(child, of), stream: streamId }, { low });",
        replace: "void [child, of, streamId, low];",
      },
    ],
    caughtBy: [
      { file: operationsTest, test: "the low mark of a hello says that nothing of the past will come here any more" },
      { file: "test/scenarios/store-and-forward.test.ts", test: "a device that changes its fog, back and forth" },
    ],
  },
  {
    fault: "a segment that overlaps with what is there is taken for a duplicate as a whole",
    edits: [
      {
        file: "agent/store/segment-ingest.ts",
        find: "if (taken.length === 0) return 0;",
        replace:
          "if (taken.length !== 1 || taken[0]?.[0] !== segment.first || taken[0][1] !== lastOf(segment)) return 0;",
      },
    ],
    caughtBy: [{ file: operationsTest, test: "[O2] any order, repetition and overlap of what children send" }],
  },
];

const root = fileURLToPath(new URL("../..", import.meta.url));
const copied = ["agent", "cloud", "shared", "scripts", "test", "package.json", "tsconfig.json"];

/** Runs `work` on a copy of the sources with these edits. */
async function onCopy<T>(edits: Mutation["edits"], work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-mutation-"));
  try {
    for (const name of copied) cpSync(join(root, name), join(folder, name), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    for (const { file, find, replace } of edits) {
      const text = readFileSync(join(folder, file), "utf8");
      const [before, after, ...more] = text.split(find);
      if (before === undefined || after === undefined || more.length > 0)
        throw new Error(`the mutation does not fit any more: once in ${file} there should be: ${find}`);
      writeFileSync(join(folder, file), `${before}${replace}${after}`);
    }
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface JsonReport {
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** Runs test files of the copy; answers how each of `caughtBy` went: "passed", "failed", or why it did not run. */
async function outcomes(folder: string, caughtBy: Mutation["caughtBy"]): Promise<readonly string[]> {
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const files = [...new Set(caughtBy.map(({ file }) => file))];
  const names = caughtBy.map(({ test: name }) => name.replaceAll(/[^\w ]/g, "\\$&")).join("|");
  const output = join(folder, "report.json");
  const args = [
    "run",
    "--config",
    "test/vitest.config.ts",
    "--reporter=json",
    `--outputFile=${output}`,
    "-t",
    names,
    ...files,
  ];
  // Without what this run of vitest tells its own workers.
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^VITEST|^TEST$|^FOGBANK_/.test(key)));
  const child = spawn(process.execPath, [vitest, ...args], { cwd: folder, env, stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (bytes) => (stderr += String(bytes)));
  await once(child, "close");
  let report: JsonReport;
  try {
    report = JSON.parse(readFileSync(output, "utf8")) as JsonReport;
  } catch {
    return [`vitest wrote no report: ${stderr}`];
  }
  const results = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  const trouble = report.testResults.map(({ message }) => message).join(" ");
  return caughtBy.map(({ test: name }) => {
    const found = results.filter(({ fullName }) => fullName.includes(name));
    return found.length === 1 ? (found[0]?.status ?? "") : `${found.length} tests are called "${name}" ${trouble}`;
  });
}

test("the sources as they are pass every check that is to catch a mutation", { timeout: 120_000 }, async () => {
  const checks = mutations.flatMap(({ caughtBy }) => caughtBy);
  expect(await onCopy([], (folder) => outcomes(folder, checks))).toEqual(checks.map(() => "passed"));
});

test.each(mutations)("caught: $fault", { timeout: 120_000 }, async ({ edits, caughtBy }) => {
  expect(await onCopy(edits, (folder) => outcomes(folder, caughtBy))).toEqual(caughtBy.map(() => "failed"));
});
