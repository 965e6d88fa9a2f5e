// Starts worker threads. One place, so that the single binary can hand out an embedded program instead of a file.
import { basename } from "node:path";
import { Worker } from "node:worker_threads";
import { embeddedText } from "./assets.ts";

/**
 * Runs the module at `url` in a thread of its own. `workerData` is cloned into it. A crash inside is an `error` event of the
 * worker, followed by `exit`; without a listener for it the process stops, as after any other bug.
 *
 * The build finds the programs by the calls of this function, whose first argument is written out as a new URL of a relative path
 * and this module's own, and embeds each as `<name>.cjs`.
 */
export function startWorker(url: URL, workerData: unknown): Worker {
  const program = embeddedText(`${basename(url.pathname, ".ts")}.cjs`);
  return program === undefined ? new Worker(url, { workerData }) : new Worker(program, { eval: true, workerData });
}
