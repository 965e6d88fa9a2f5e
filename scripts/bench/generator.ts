// The load generator: a process of its own that takes orders over IPC, one at a time, and answers each with a report.
import { createConnectionHolder } from "./held-connections.ts";
import { runLoad } from "./load-run.ts";
import type { GeneratorAnswer, GeneratorOrder, GeneratorReport } from "./generator-protocol.ts";
import { NotSupported } from "./mqtt-socket.ts";
import { runTrickle } from "./trickle.ts";

const hold = createConnectionHolder();

process.on("message", (message) => {
  void answer(message as GeneratorOrder).then((reply) => process.send?.(reply));
});
process.on("disconnect", () => process.exit());

async function answer(order: GeneratorOrder): Promise<GeneratorAnswer> {
  try {
    return { report: await run(order) };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    if (error instanceof NotSupported) return { error: error.message, isNotSupported: true };
    return { error: text, isNotSupported: false };
  }
}

function run(order: GeneratorOrder): Promise<GeneratorReport> {
  switch (order.type) {
    case "load":
      return runLoad(order);
    case "trickle":
      return runTrickle(order);
    case "hold":
      return hold(order);
  }
}
