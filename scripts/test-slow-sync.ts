// `npm run test:slow-sync`: the tests on a disk on which every sync takes 20 ms longer, as on a memory card. Arguments go to vitest:
// paths, for some of the tests. Exit codes: those of vitest; 2 without a C compiler.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { slowSyncEnvironment } from "./bench/broker/slow-sync.ts";

const delayMs = 20;
/** A scenario with a thousand commits takes twenty seconds for its syncs alone; tests of processes have five minutes on any disk. */
const testMsMax = 600_000;

/**
 * These run other tests in copies of the sources, or the sources through tools, or hundreds of histories in virtual time, of which no sync
 * takes any: no disk changes their verdict.
 */
const leftOut = [
  "test/process/mutations.test.ts",
  "test/simulation/sabotage.test.ts",
  "test/lint-rules.test.ts",
  "test/tidy.test.ts",
];
/** Histories of the simulation, for the same reason: each has thousands of commits. */
const histories = "10";

process.exitCode = await run(process.argv.slice(2));

async function run(args: readonly string[]): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "fogbank-slow-sync-"));
  try {
    const environment = await slowSyncEnvironment(folder, delayMs);
    const root = fileURLToPath(new URL("..", import.meta.url));
    const vitest = join(root, "node_modules/vitest/vitest.mjs");
    const options = ["run", "--config", "test/vitest.config.ts", `--testTimeout=${testMsMax}`, ...args];
    const child = spawn(process.execPath, [vitest, ...options], {
      cwd: root,
      env: {
        FOGBANK_SIMULATE_SEEDS: histories,
        FOGBANK_TESTS_LEFT_OUT: leftOut.join(","),
        ...process.env,
        ...environment,
      },
      stdio: "inherit",
    });
    const [code] = (await once(child, "exit")) as [number | null];
    return code ?? 1;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
