import { expect, test } from "vitest";
import { ConnectGate } from "#agent/broker/connect-gate.ts";
import { limits } from "#shared/limits.ts";

test("a burst gets in at once, the rest in its order and at the rate", () => {
  const gate = new ConnectGate<number>(0);
  const admitted: number[] = [];
  const all = limits.connectsBurst + 10;
  for (let at = 0; at < all; at++) gate.enter(0, at, () => admitted.push(at));
  expect(admitted).toHaveLength(limits.connectsBurst);
  expect(gate.waiting).toBe(10);
  gate.release(5_000 / limits.connectsPerSecond);
  expect(admitted).toHaveLength(limits.connectsBurst + 5);
  gate.release(1_000);
  expect(admitted).toEqual(Array.from({ length: all }, (_, at) => at));
  expect(gate.waiting).toBe(0);
});

test("a quiet time saves up no more than one burst", () => {
  const gate = new ConnectGate<number>(0);
  let admitted = 0;
  gate.release(3_600_000);
  for (let at = 0; at < limits.connectsBurst + 1; at++) gate.enter(3_600_000, at, () => admitted++);
  expect(admitted).toBe(limits.connectsBurst);
});

test("who is gone takes nobody's turn", () => {
  const gate = new ConnectGate<number>(0);
  const admitted: number[] = [];
  for (let at = 0; at < limits.connectsBurst + 3; at++) gate.enter(0, at, () => admitted.push(at));
  gate.leave(limits.connectsBurst);
  gate.leave(limits.connectsBurst + 1);
  gate.release(1_000 / limits.connectsPerSecond);
  expect(admitted.at(-1)).toBe(limits.connectsBurst + 2);
  expect(gate.waiting).toBe(0);
});
