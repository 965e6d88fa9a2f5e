// Gives back what a thread's heap holds beyond what it needs, when the thread has little to do. V8 by itself looks through an old heap
// only when it has grown by half or more, so a node keeps what its start left, and what a load left, until the next one.
import { performance } from "node:perf_hooks";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Clock } from "#shared/system/clock.ts";

/** The thread that it runs in, as far as it is looked at. */
export interface Heap {
  /** Bytes that V8 has taken from the system. */
  takenBytes(): number;
  /** Part of the time since the last call, 0 to 1, in which the thread was not waiting. */
  busy(): number;
  /** Stops the thread for some tens of milliseconds: longer on a slow machine. */
  collect(): void;
}

const lookEveryMs = 20_000;
/** Of one core. A thread that does more has better things to do. */
const busyMax = 0.05;
/** Less is not worth the pause. */
const growthBytesMin = 4 * 1024 * 1024;

/** Looks after this thread's heap until it is disposed. */
export function startHeapCare(clock: Clock, heap: Heap | undefined = ownHeap()): Disposable {
  const stopped = new AbortController();
  if (heap !== undefined) void care(clock, heap, stopped.signal);
  return { [Symbol.dispose]: () => stopped.abort() };
}

async function care(clock: Clock, heap: Heap, signal: AbortSignal): Promise<void> {
  // The start leaves some: the first quiet moment is always used.
  let keptBytes = 0;
  heap.busy();
  for (;;) {
    await clock.sleep(lookEveryMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    if (heap.busy() > busyMax || heap.takenBytes() < keptBytes + growthBytesMin) continue;
    heap.collect();
    keptBytes = heap.takenBytes();
  }
}

/** Undefined where the runtime does not let programs collect. */
function ownHeap(): Heap | undefined {
  if (process.versions["deno"] !== undefined) return undefined;
  let last = performance.eventLoopUtilization();
  return {
    takenBytes: () => getHeapStatistics().total_physical_size,
    busy() {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      return utilization;
    },
    collect: collectGarbage,
  };
}

/**
 * Looks through the whole heap of this thread and moves what is in use together. The flag is set now and stays: with it from the start
 * V8 would refuse Node's own compiled code; and it is of all threads, so that taking it back could meet another one's collection.
 */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  // Of a context of its own, which is garbage itself afterwards.
  runInNewContext(`globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" })`);
}
