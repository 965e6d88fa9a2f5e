import { once } from "node:events";
import { expect, test } from "vitest";
import { startWorker } from "#agent/system/worker-entry.ts";

function programUrl(text: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(text)}`);
}

test("a worker gets its data", async () => {
  const program =
    'import { parentPort, workerData } from "node:worker_threads"; parentPort.postMessage(workerData.size + 1);';
  const worker = startWorker(programUrl(program), { size: 41 });
  expect(await once(worker, "message")).toEqual([42]);
  await worker.terminate();
});

test("a crash in a worker is an error event of its owner", async () => {
  const worker = startWorker(programUrl('throw new Error("the worker failed")'), null);
  const [error] = await once(worker, "error");
  expect(error).toMatchObject({ message: "the worker failed" });
});
