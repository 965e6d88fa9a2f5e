// A thread that runs histories: a seed comes as a message, the report of its history goes back. What is no failure of the history but
// of the simulation ends the thread with an error.
import { parentPort, workerData } from "node:worker_threads";
import { runHistory } from "./history.ts";
import type { HistoriesSetting } from "./histories.ts";

const setting = workerData as HistoriesSetting;
const port = parentPort;
if (port === null) throw new Error("this is to run in a thread");
port.on("message", (seed: number) => {
  void runHistory({ ...setting, seed }).then((report) => port.postMessage(report));
});
