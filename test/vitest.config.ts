// How the tests run: from the repository's root, on Node 24 only, and a test that asserts nothing fails. Tests of real processes come
// last: they load the machine, or wait for what takes its time, so two files run at once.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { CountReporter } from "./count-reporter.ts";

const processes = "test/process/**/*.test.ts";
/** Files that are left out, with commas between them: `--exclude` does not reach the projects. */
const leftOut = (process.env["FOGBANK_TESTS_LEFT_OUT"] ?? "").split(",").filter((file) => file !== "");
/** Of a test of real processes, on a machine many times as slow as one on which it takes a minute. Only one that fails takes so long. */
const processMsMax = 300_000;

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    globalSetup: ["test/require-node-24.ts"],
    reporters: ["default", new CountReporter()],
    expect: { requireAssertions: true },
    allowOnly: false,
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "parts",
          include: ["test/**/*.test.ts"],
          exclude: [processes, ...leftOut],
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "processes",
          include: [processes],
          exclude: leftOut,
          testTimeout: processMsMax,
          hookTimeout: processMsMax,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
