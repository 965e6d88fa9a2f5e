// How the tests run: from the repository's root, on Node 24 only, and a test that asserts nothing fails. Tests of real processes come
// last and one file at a time: they load the machine, and some hold a node to a bound of the protocol.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { CountReporter } from "./count-reporter.ts";

const processes = "test/process/**/*.test.ts";

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    globalSetup: ["test/require-node-24.ts"],
    reporters: ["default", new CountReporter()],
    expect: { requireAssertions: true },
    allowOnly: false,
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 20_000,
    projects: [
      {
        extends: true,
        test: { name: "parts", include: ["test/**/*.test.ts"], exclude: [processes], sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: { name: "processes", include: [processes], fileParallelism: false, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
