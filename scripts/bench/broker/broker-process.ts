// A broker that is a process of this machine.
import type { OrphanGuard } from "../../demo/orphan-guard.ts";
import { startMeasuredProcess, type ProcessPlan } from "../measured-process.ts";
import type { RunningBroker } from "./broker-kind.ts";

/** Resolves when it is ready. Disposing it asks it to stop, and waits. */
export async function startBrokerProcess(guard: OrphanGuard, port: number, plan: ProcessPlan): Promise<RunningBroker> {
  const broker = await startMeasuredProcess(guard, plan);
  return { pid: broker.start.pid, port, [Symbol.asyncDispose]: () => broker.end("SIGTERM") };
}
