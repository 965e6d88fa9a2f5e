// `fogbank bench hollow` as a process of a benchmark, and what it says of itself.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { createInterface } from "node:readline";
import * as v from "valibot";
import type { OrphanGuard } from "../../demo/orphan-guard.ts";
import { program } from "../bench-node.ts";

const readyReport = v.object({ children: v.number(), bytesPerChild: v.number() });
const countsReport = v.object({
  connected: v.number(),
  ran: v.number(),
  callFramesIn: v.number(),
  callFramesOut: v.number(),
});

export type HollowFigures = v.InferOutput<typeof countsReport>;

export interface HollowPlan {
  readonly children: number;
  readonly parentPorts: readonly number[];
  readonly zones: number;
  readonly logFile: string;
}

export interface HollowProcess extends AsyncDisposable {
  readonly bytesPerChild: number;
  /** The next counts that it tells, within about a second. */
  counts(): Promise<HollowFigures>;
  /** SIGKILL: its children are lost, not gone on purpose. */
  kill(): Promise<void>;
}

const ready = "READY ";
const perSecond = "250";

/** Resolves when all children are connected. */
export async function startHollow(guard: OrphanGuard, plan: HollowPlan): Promise<HollowProcess> {
  const args = ["bench", "hollow", "--json", "--per-second", perSecond, "--children", String(plan.children)];
  if (plan.zones > 0) args.push("--zones", String(plan.zones));
  for (const port of plan.parentPorts) args.push("--parent", `mqtt://127.0.0.1:${port}`);
  const log = openSync(plan.logFile, "a");
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", log], detached: true });
  closeSync(log);
  const { pid } = child;
  if (pid === undefined || child.stdout === null) throw new Error("fogbank bench hollow could not be started");
  guard.watch(pid);
  const exited = once(child, "exit").then(() => guard.forget(pid));
  const connected = Promise.withResolvers<number>();
  let next = Promise.withResolvers<HollowFigures>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line.startsWith(ready)) {
      connected.resolve(v.parse(readyReport, JSON.parse(line.slice(ready.length))).bytesPerChild);
      return;
    }
    const told = next;
    next = Promise.withResolvers();
    told.resolve(v.parse(countsReport, JSON.parse(line)));
  });
  const ended = exited.then(() => Promise.reject(new Error(`fogbank bench hollow ended: see ${plan.logFile}`)));
  ended.catch(() => undefined); // in order, when it was ended from here
  const end = async (signal: "SIGTERM" | "SIGKILL"): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
  };
  try {
    const bytesPerChild = await Promise.race([connected.promise, ended]);
    const counts = (): Promise<HollowFigures> => Promise.race([next.promise, ended]);
    return { bytesPerChild, counts, kill: () => end("SIGKILL"), [Symbol.asyncDispose]: () => end("SIGTERM") };
  } catch (error) {
    await end("SIGKILL");
    throw error;
  }
}
