// What a broker costs that has nothing to do, and what each connection adds to it.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { memoryMib } from "../process-usage.ts";
import type { BrokerGroup } from "./broker-case.ts";

const connectionsMax = 10_000;
const connectionsQuick = 500;
/** Files that are not connections, of the generator and of the broker. */
const otherFiles = 200;
const settleMs = 1000;

export const idleConnections: BrokerGroup = {
  name: "idle",
  title: "nothing to do",
  columns: [
    { key: "idleMib", heading: "idle RSS MiB", digits: 1 },
    { key: "idleAnonymousMib", heading: "of it anonymous MiB", digits: 1 },
    { key: "connections", heading: "connections", digits: 0 },
    { key: "residentMib", heading: "RSS with them MiB", digits: 1 },
    { key: "kibEach", heading: "KiB each", digits: 2 },
    { key: "connectsPerSecond", heading: "connects/s", digits: 0 },
  ],
  cases: [
    {
      name: "alone, then connections",
      async measure({ pid, port }, { generator, isQuick }) {
        const wanted = isQuick ? connectionsQuick : connectionsMax;
        const connections = Math.min(wanted, openFilesMax(readFileSync("/proc/self/limits", "latin1")) - otherFiles);
        await sleep(settleMs);
        const idle = memoryMib(pid);
        const { connectMs } = await generator.hold({ port, connections });
        await sleep(settleMs);
        const { resident } = memoryMib(pid);
        await generator.hold({ port, connections: 0 });
        return {
          idleMib: idle.resident,
          idleAnonymousMib: idle.anonymous,
          connections,
          residentMib: resident,
          kibEach: (1024 * (resident - idle.resident)) / connections,
          connectsPerSecond: (1000 * connections) / connectMs,
        };
      },
    },
  ],
};

/** From the text of /proc/PID/limits: the soft one, which Node has raised to the hard one for itself and what it starts. */
export function openFilesMax(limits: string): number {
  const text = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
  return text === undefined || text === "unlimited" ? Number.POSITIVE_INFINITY : Number(text);
}
