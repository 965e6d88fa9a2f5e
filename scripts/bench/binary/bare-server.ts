// The least that such a binary can cost: a TCP server, an HTTP server and a worker thread with an open database, built in the same way.
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { buildBinary } from "../../build/build-binary.ts";
import { architectures, targetOf } from "../../build/target.ts";
import { createToolbox } from "../../build/toolbox.ts";
import { startMeasuredProcess } from "../measured-process.ts";
import type { Contender } from "./contender.ts";

const worker = `
  const { DatabaseSync } = require("node:sqlite");
  const { parentPort } = require("node:worker_threads");
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE kept (text)");
  parentPort.on("message", () => database.exec("SELECT 1"));
  parentPort.postMessage("open");
`;

const program = `
  require("node:http").createServer().listen(0, "127.0.0.1");
  const server = require("node:net").createServer().listen(0, "127.0.0.1");
  const thread = new (require("node:worker_threads").Worker)(${JSON.stringify(worker)}, { eval: true });
  thread.once("message", () => console.log("READY"));
`;

/** Built in `folder`. `root`: the checkout. */
export async function bareServer(root: string, folder: string): Promise<Contender> {
  const arch = architectures.find((name) => name === process.arch);
  if (arch === undefined) throw new Error(`no binary is built for ${process.arch}`);
  const tell = (): void => undefined;
  const { executable } = await buildBinary({
    root,
    bundle: { main: program, others: new Map(), inputs: [] },
    target: targetOf(arch, process.arch),
    version: "bare",
    folder: join(folder, "bare"),
    usesCodeCache: true,
    makesArchive: false,
    modifiedAtSeconds: 0,
    toolbox: createToolbox({ tell, mayInstall: false }),
    env: process.env,
    tell,
  });
  return {
    name: "bare binary",
    description: "built in the same way: a TCP server, an HTTP server, and a worker thread with a database in memory",
    async start({ guard }, place) {
      const command = join(place, "bare");
      copyFileSync(executable, command);
      const logFile = join(place, "bare.log");
      const running = await startMeasuredProcess(guard, { name: "bare", command, args: [], logFile, ready: "line" });
      const { pid, cpuMs: readyCpuMs } = running.start;
      return { pid, port: 0, readyCpuMs, [Symbol.asyncDispose]: () => running.end("SIGTERM") };
    },
  };
}
