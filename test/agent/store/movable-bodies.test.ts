import { expect, test } from "vitest";
import { movableBuffers } from "#agent/store/movable-bodies.ts";

test("only large bodies that fill their buffers are moved, a buffer once", () => {
  const large = new Uint8Array(10_000);
  const bodies = [large, new Uint8Array(10), large, new Uint8Array(20_000).subarray(1), null];
  expect(movableBuffers(bodies.map((body) => ({ body })))).toEqual([large.buffer]);
  expect(movableBuffers([])).toEqual([]);
});
