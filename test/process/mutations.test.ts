// Each of these faults, put into a copy of the sources, must be caught by the tests that are named with it. A fault whose text is no
// longer found in the sources fails here too: then it is to be put in anew, not to be dropped.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { whyNoTrace } from "./durability/io-trace.ts";

interface Mutation {
  /** What is broken, as a programmer could have done it. */
  readonly fault: string;
  readonly edits: readonly { readonly file: string; readonly find: string; readonly replace: string }[];
  /** The test that turns red, by a part of its name. */
  readonly caughtBy: readonly { readonly file: string; readonly test: string }[];
}

/** Tests that look at calls of the system need a C compiler. */
const noTrace = whyNoTrace();
if (noTrace !== undefined) console.log(noTrace);
const orderTest = "test/process/durability-order.test.ts";
const orderAtFirstNode = "[O1] every publish is committed and synced before its PUBACK is written";
const orderAtParent = "[O5] every message of a child is committed and synced at its parent";
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
      { file: orderTest, test: orderAtParent },
    ],
  },
  {
    fault: "a publish is acknowledged before its commit",
    edits: [
      {
        file: "agent/broker/publishing.ts",
        find: "verdict.receipt.wait(pending);",
        replace: "pending.release();",
      },
    ],
    caughtBy: [{ file: orderTest, test: orderAtFirstNode }],
  },
  {
    fault: "the log is not synced at each commit",
    edits: [
      {
        file: "agent/store/database.ts",
        find: "PRAGMA synchronous = FULL;",
        replace: "PRAGMA synchronous = NORMAL;",
      },
    ],
    caughtBy: [
      { file: orderTest, test: orderAtFirstNode },
      { file: orderTest, test: orderAtParent },
    ],
  },
  {
    fault: "low marks are ignored",
    edits: [
      {
        file: "agent/store/intake-operations.ts",
        find: "if (key !== undefined) streams.change(key, { low });",
        replace: "void [key, low];",
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
  {
    fault: "what is given up for want of room is counted, and no gap says so above",
    edits: [
      {
        file: "agent/store/loss-repository.ts",
        find: "const rows = put(this.#pending, key, priority, loss, this.#sentOf(key));",
        replace: "const rows = 0;",
      },
    ],
    caughtBy: [
      {
        file: "test/agent/store/eviction.test.ts",
        test: "oldest: the head goes, named as lost in one gap that travels up",
      },
      {
        file: "test/scenarios/full-journal.test.ts",
        test: "a device without room gives up its oldest, says so, and above every number is stored or named as lost",
      },
    ],
  },
  {
    fault:
      "the epoch is not changed after a restore: neither where the system shows another file nor where the parent shows more numbers",
    edits: [
      {
        file: "agent/store/identity-repository.ts",
        find: "if (renewed !== undefined) this.renew(fresh);",
        replace: "",
      },
      {
        file: "agent/link/own-identity.ts",
        find: "if (found === undefined) return false;",
        replace: "if (found === undefined || found !== undefined) return false;",
      },
    ],
    caughtBy: [
      {
        file: "test/scenarios/identity.test.ts",
        test: "[O10] R0 a restored file never gives a number again, though its parent knows nothing of it",
      },
      {
        file: "test/scenarios/identity.test.ts",
        test: "[O10] R1 a database that is an older copy goes on under a new epoch",
      },
    ],
  },
];

const root = fileURLToPath(new URL("../..", import.meta.url));
const copied = ["agent", "cloud", "shared", "scripts", "test", "package.json", "tsconfig.json"];
const runMsMax = 300_000;

/** A copy of the sources with these edits. */
function copyTo(folder: string, edits: Mutation["edits"]): void {
  for (const name of copied) cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  for (const { file, find, replace } of edits) {
    const text = readFileSync(join(folder, file), "utf8");
    const [before, after, ...more] = text.split(find);
    if (before === undefined || after === undefined || more.length > 0)
      throw new Error(`the mutation does not fit any more: once in ${file} there should be: ${find}`);
    writeFileSync(join(folder, file), `${before}${replace}${after}`);
  }
}

interface JsonReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

interface Experiment {
  readonly edits: Mutation["edits"];
  readonly checks: Mutation["caughtBy"];
}

/**
 * Puts each experiment into a copy of its own and runs the checks of all in one vitest, which starts once. Answers for each experiment
 * how its checks went: "passed", "failed", or why one did not run. What fails in the first one is printed.
 */
async function runAll(experiments: readonly Experiment[]): Promise<readonly (readonly string[])[]> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "fogbank-mutation-")));
  try {
    const folders = experiments.map(({ edits }, index) => {
      copyTo(join(folder, `copy-${index}`), edits);
      return join(folder, `copy-${index}`);
    });
    const projects = experiments.map(({ checks }, index) => ({
      root: folders[index],
      test: {
        name: `copy-${index}`,
        include: [...new Set(checks.map(({ file }) => file))],
        fileParallelism: false,
        expect: { requireAssertions: true },
        testTimeout: 60_000,
      },
    }));
    const config = { root: folder, test: { pool: "forks", maxWorkers: 2, projects } };
    writeFileSync(join(folder, "vitest.config.mjs"), `export default ${JSON.stringify(config)};\n`);
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    const report = await runVitest(
      folder,
      experiments.flatMap(({ checks }) => checks.map(({ test: name }) => name)),
    );
    if (typeof report === "string") return experiments.map(() => [report]);
    sayWhy(report, join(folder, "copy-0"));
    return experiments.map(({ checks }, index) => outcomesOf(report, join(folder, `copy-${index}`), checks));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Answers vitest's report, or its complaint when it wrote none. */
async function runVitest(folder: string, testNames: readonly string[]): Promise<JsonReport | string> {
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const names = [...new Set(testNames)].map((name) => name.replaceAll(/[^\w ]/g, "\\$&")).join("|");
  const output = join(folder, "report.json");
  const args = ["run", "--config", "vitest.config.mjs", "--reporter=json", `--outputFile=${output}`, "-t", names];
  // Without what this run of vitest tells its own workers.
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^VITEST|^TEST$|^FOGBANK_/.test(key)));
  const child = spawn(process.execPath, [vitest, ...args], { cwd: folder, env, stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (bytes) => (stderr += String(bytes)));
  await once(child, "close");
  try {
    return JSON.parse(readFileSync(output, "utf8")) as JsonReport;
  } catch {
    return `vitest wrote no report: ${stderr}`;
  }
}

function sayWhy(report: JsonReport, folder: string): void {
  for (const { name, message, assertionResults } of report.testResults) {
    if (!name.startsWith(`${folder}/`)) continue;
    const failures = assertionResults.flatMap(({ failureMessages }) => failureMessages);
    for (const failure of [message, ...failures]) if (failure !== "") console.log(`unchanged: ${failure}`);
  }
}

function outcomesOf(report: JsonReport, folder: string, checks: Mutation["caughtBy"]): readonly string[] {
  const own = report.testResults.filter(({ name }) => name.startsWith(`${folder}/`));
  const results = own.flatMap(({ assertionResults }) => assertionResults);
  const trouble = own.map(({ message }) => message).join(" ");
  return checks.map(({ test: name }) => {
    const found = results.filter(({ fullName }) => fullName.includes(name));
    return found.length === 1 ? (found[0]?.status ?? "") : `${found.length} tests are called "${name}" ${trouble}`;
  });
}

const isPossible = ({ file }: Mutation["caughtBy"][number]): boolean => noTrace === undefined || file !== orderTest;
const experiments = mutations.map(({ fault, edits, caughtBy }) => ({
  fault,
  edits,
  checks: caughtBy.filter(isPossible),
}));
const unchanged = { edits: [], checks: [...new Set(experiments.flatMap(({ checks }) => checks))] };

describe("each fault in a copy of the sources", () => {
  let before: readonly string[] = [];
  let mutated: readonly (readonly string[])[] = [];

  beforeAll(async () => {
    [before = [], ...mutated] = await runAll([unchanged, ...experiments]);
  }, runMsMax);

  test("the sources as they are pass every check that is to catch one", () => {
    expect(before).toEqual(unchanged.checks.map(() => "passed"));
  });

  test.each(experiments.map((experiment, index) => ({ ...experiment, index })))(
    "caught: $fault",
    ({ checks, index }) => {
      expect(mutated[index]).toEqual(checks.map(() => "failed"));
    },
  );
});
