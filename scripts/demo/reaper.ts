// The process behind orphan-guard.ts. On its standard input: `+PID` (watch it) and `-PID` (it has ended). When the input
// closes, whatever is still watched is killed.
import { createInterface } from "node:readline";

const watched = new Set<number>();

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const pid = Number(line.slice(1));
    if (!Number.isSafeInteger(pid) || pid <= 1) return;
    if (line.startsWith("+")) watched.add(pid);
    else watched.delete(pid);
  })
  .on("close", () => {
    for (const pid of watched) endNow(pid);
  });

function endNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
