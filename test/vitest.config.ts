// How the tests run: from the repository's root, on Node 24 only, and a test that asserts nothing fails.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { CountReporter } from "./count-reporter.ts";

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/require-node-24.ts"],
    reporters: ["default", new CountReporter()],
    expect: { requireAssertions: true },
    allowOnly: false,
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 20_000,
  },
});
