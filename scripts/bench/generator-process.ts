// The load generator as the benchmarks see it.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type {
  GeneratorAnswer,
  GeneratorOrder,
  GeneratorReport,
  HoldOrder,
  HoldReport,
  LoadOrder,
  LoadReport,
  TrickleOrder,
  TrickleReport,
} from "./generator-protocol.ts";
import { NotSupported } from "./mqtt-socket.ts";

export interface Generator extends AsyncDisposable {
  readonly pid: number;
  /** Rejects with NotSupported when the broker does not speak the order's protocol. */
  load(order: Omit<LoadOrder, "type">): Promise<LoadReport>;
  trickle(order: Omit<TrickleOrder, "type">): Promise<TrickleReport>;
  hold(order: Omit<HoldOrder, "type">): Promise<HoldReport>;
}

/** It ends with this process in any case: its channel closes. */
export function startGenerator(): Generator {
  const child = fork(fileURLToPath(new URL("./generator.ts", import.meta.url)), { execArgv: [] });
  const exited = once(child, "exit");
  const ask = async (order: GeneratorOrder): Promise<GeneratorReport> => {
    const answered = once(child, "message");
    child.send(order);
    const outcome = await Promise.race([answered, exited.then(() => undefined)]);
    if (outcome === undefined) throw new Error("the load generator ended");
    const answer = outcome[0] as GeneratorAnswer;
    if ("error" in answer && answer.isNotSupported) throw new NotSupported(answer.error);
    if ("error" in answer) throw new Error(`the load generator failed: ${answer.error}`);
    return answer.report;
  };
  return {
    pid: child.pid ?? 0,
    load: async (order) => (await ask({ type: "load", ...order })) as LoadReport,
    trickle: async (order) => (await ask({ type: "trickle", ...order })) as TrickleReport,
    hold: async (order) => (await ask({ type: "hold", ...order })) as HoldReport,
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
