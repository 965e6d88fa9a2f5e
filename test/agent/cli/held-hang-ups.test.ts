import { expect, test } from "vitest";
import { holdHangUps } from "#agent/cli/held-hang-ups.ts";

function scene() {
  const calls: string[] = [];
  let heard: (() => void) | undefined;
  const held = holdHangUps((listener) => {
    heard = listener;
    return { [Symbol.dispose]: () => void (heard = undefined) };
  });
  return { calls, held, hangUp: () => heard?.(), listens: () => heard !== undefined };
}

test("hang-ups while a node starts are one reload when it runs, and each one after that is one more", () => {
  const { calls, held, hangUp } = scene();
  hangUp();
  hangUp();
  expect(calls).toEqual([]);
  held.release(() => void calls.push("reload"));
  expect(calls).toEqual(["reload"]);
  hangUp();
  expect(calls).toEqual(["reload", "reload"]);
});

test("without a hang-up nothing is read again, and after the end nobody listens", () => {
  const { calls, held, listens } = scene();
  expect(listens()).toBe(true);
  held.release(() => void calls.push("reload"));
  expect(calls).toEqual([]);
  held[Symbol.dispose]();
  expect(listens()).toBe(false);
});
