// The load generator: a process of its own that takes orders over IPC, one at a time, and answers each with a report.
import { runClosedLoop } from "./closed-loop.ts";
import type { GeneratorAnswer, GeneratorOrder, LoadReport, TrickleReport } from "./generator-protocol.ts";
import { runTrickle } from "./trickle.ts";

process.on("message", (message) => {
  void answer(message as GeneratorOrder).then((reply) => process.send?.(reply));
});
process.on("disconnect", () => process.exit());

async function answer(order: GeneratorOrder): Promise<GeneratorAnswer> {
  try {
    return { report: await run(order) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

function run(order: GeneratorOrder): Promise<LoadReport | TrickleReport> {
  switch (order.type) {
    case "load":
      return runClosedLoop(order);
    case "trickle":
      return runTrickle(order);
  }
}
