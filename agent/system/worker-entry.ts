// Starts worker threads. One place, so that the single binary can hand out an embedded program instead of a file.
import { Worker } from "node:worker_threads";

/**
 * Runs the module at `url` in a thread of its own. `workerData` is cloned into it. A crash inside is an `error` event of the
 * worker, followed by `exit`; without a listener for it the process stops, as after any other bug.
 */
export function startWorker(url: URL, workerData: unknown): Worker {
  return new Worker(url, { workerData });
}
