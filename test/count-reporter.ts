// The last line of a test run, `N passed, N failed`, for people and for .ci/run. What vitest does not count as a failed
// test is counted here: a module that cannot be loaded, an unhandled error, a start that fails, a run without any test.
import type { SerializedError } from "vitest";
import type { Reporter, TestModule } from "vitest/node";

/**
 * Prints its line from the process's exit, so that it comes after the default reporter's summary. It starts with vitest,
 * not with its construction: other tools load the configuration too.
 */
export class CountReporter implements Reporter {
  #passed = 0;
  #failed = 0;

  onInit(): void {
    process.on("exit", (code) => {
      const isSilentFailure = this.#failed === 0 && (code !== 0 || this.#passed === 0);
      if (isSilentFailure) this.#failed = 1;
      if (this.#failed > 0 && code === 0) process.exitCode = 1;
      process.stdout.write(`\n${this.#passed} passed, ${this.#failed} failed\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    this.#passed = 0;
    this.#failed = unhandledErrors.length;
    for (const module of modules) this.#countModule(module);
  }

  #countModule(module: TestModule): void {
    let failedHere = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") this.#passed++;
      if (state === "failed") failedHere++;
    }
    this.#failed += module.state() === "failed" ? Math.max(1, failedHere) : failedHere;
  }
}
