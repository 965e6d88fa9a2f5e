import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { collectGarbage, startHeapCare, type Heap } from "#agent/system/heap-care.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

const mib = 1024 * 1024;
const lookMs = 20_000;

/** A heap that shrinks to 10 MiB when it is collected. */
class MadeHeap implements Heap {
  taken = 16 * mib;
  busyPart = 0;
  collections = 0;

  takenBytes(): number {
    return this.taken;
  }

  busy(): number {
    return this.busyPart;
  }

  collect(): void {
    this.collections++;
    this.taken = 10 * mib;
  }
}

function careFor(clock: FakeClock, heap: Heap): void {
  const care = startHeapCare(clock, heap);
  onTestFinished(() => care[Symbol.dispose]());
}

test("what the start has left is collected in the first quiet moment, then only what is worth it", async () => {
  const [clock, heap] = [new FakeClock(), new MadeHeap()];
  careFor(clock, heap);
  expect(heap.collections).toBe(0);
  await clock.advance(lookMs);
  expect(heap.collections).toBe(1);
  heap.taken = 13 * mib;
  await clock.advance(10 * lookMs);
  expect(heap.collections).toBe(1);
  heap.taken = 14 * mib;
  await clock.advance(lookMs);
  expect(heap.collections).toBe(2);
});

test("a thread that is busy is left alone until it is not", async () => {
  const [clock, heap] = [new FakeClock(), new MadeHeap()];
  careFor(clock, heap);
  heap.busyPart = 0.5;
  await clock.advance(5 * lookMs);
  expect(heap.collections).toBe(0);
  heap.busyPart = 0.01;
  await clock.advance(lookMs);
  expect(heap.collections).toBe(1);
});

test("after its end nothing is collected, and nothing waits", async () => {
  const [clock, heap] = [new FakeClock(), new MadeHeap()];
  const care = startHeapCare(clock, heap);
  care[Symbol.dispose]();
  await clock.advance(2 * lookMs);
  expect(heap.collections).toBe(0);
  expect(clock.sleepers).toBe(0);
});

test("a collection frees what nobody holds, again and again", async () => {
  for (let round = 0; round < 2; round++) {
    const gone = new WeakRef({ of: round });
    await turn(); // what a job has seen of it stays until the job ends
    collectGarbage();
    expect(gone.deref()).toBeUndefined();
  }
});
