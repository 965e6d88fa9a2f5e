// The queue as a value, against an array.
import fc from "fast-check";
import { expect, test } from "vitest";
import { emptyFifo, firstOf, pushed, shifted, valuesOf, type Fifo } from "#cloud/coordination/zookeeper/fifo.ts";

test("it is what an array is, and old values stay as they were", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat()), { maxLength: 60 }), (steps) => {
      let fifo: Fifo<number> = emptyFifo;
      let array: readonly number[] = [];
      const past: [Fifo<number>, readonly number[]][] = [];
      for (const step of steps) {
        past.push([fifo, array]);
        [fifo, array] = step === null ? [shifted(fifo), array.slice(1)] : [pushed(fifo, step), [...array, step]];
      }
      for (const [queue, values] of [...past, [fifo, array] as const]) {
        expect([...valuesOf(queue)]).toEqual(values);
        expect([queue.length, firstOf(queue)]).toEqual([values.length, values[0]]);
      }
    }),
  );
});
