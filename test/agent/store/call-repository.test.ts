import type { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { CallRepository } from "#agent/store/call-repository.ts";
import { inMemory, openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";

function database(): DatabaseSync {
  const opened = openDatabase(inMemory, { migrations: nodeMigrations, cacheBytes: 1_000_000 });
  onTestFinished(() => opened.close());
  return opened;
}

const idOf = (number: number): Uint8Array =>
  Uint8Array.from({ length: 16 }, (_, at) => (at < 12 ? 7 : (number >> (8 * (15 - at))) & 0xff));
const first = idOf(1);
const outcome = Uint8Array.of(1, 2, 3, 4);
const brief = Uint8Array.of(9);
const soon = { deadlineMs: 1_000, nowMs: 0, bytesMax: 1_000 };
/** A deadline is past, and the grace behind it too. */
const longAfterMs = 1_000 + 60_001;

test("[T3] an id is new once; then it is known, without an outcome until it has one, also to whoever opens the database later", () => {
  const file = database();
  const calls = new CallRepository(file, 10);
  expect(calls.recall(first)).toBe("new");
  expect(calls.remember(first, 1_000, 0)).toBe("new");
  for (const one of [calls, new CallRepository(file, 10)]) {
    expect(one.recall(first)).toEqual({ outcome: null });
    expect(one.remember(first, 1_000, 0)).toEqual({ outcome: null });
  }
  calls.settle(first, { outcome, brief }, soon);
  for (const one of [calls, new CallRepository(file, 10)]) {
    expect(one.recall(first)).toEqual({ outcome });
    expect(one.remember(first, 1_000, 0)).toEqual({ outcome });
  }
  expect(calls.recall(idOf(2))).toBe("new");
});

test("a call that ended without having been remembered is known from then on", () => {
  const calls = new CallRepository(database(), 10);
  calls.settle(first, { outcome, brief }, soon);
  expect(calls.remember(first, 1_000, 0)).toEqual({ outcome });
});

test("[T3] there is a bound: an id that may still be asked for is never forgotten, one whose time is long over makes room", () => {
  const file = database();
  const calls = new CallRepository(file, 3);
  for (const number of [1, 2, 3]) expect(calls.remember(idOf(number), 1_000 * number, 0)).toBe("new");
  expect(calls.remember(idOf(4), 9_000, 61_000)).toBe("full");
  expect(calls.recall(idOf(4))).toBe("new");
  expect(calls.remember(idOf(1), 1_000, 61_000)).toEqual({ outcome: null });
  calls.settle(idOf(4), { outcome, brief }, { ...soon, nowMs: 61_000 });
  expect(calls.recall(idOf(4))).toBe("new");
  expect(calls.remember(idOf(4), 99_000, longAfterMs)).toBe("new");
  expect([1, 2, 3, 4].map((number) => calls.recall(idOf(number)) !== "new")).toEqual([false, true, true, true]);
  // The bound holds for whoever opens the database later, too.
  expect(new CallRepository(file, 3).remember(idOf(5), 99_000, longAfterMs)).toBe("full");
});

test("results are kept as far as their bytes go, then only that they ended; those whose time is over make room", () => {
  const calls = new CallRepository(database(), 10);
  const settle = (number: number, deadlineMs: number, nowMs: number): void =>
    calls.settle(idOf(number), { outcome, brief }, { deadlineMs, nowMs, bytesMax: 10 });
  settle(1, 1_000, 0);
  settle(2, 500_000, 0);
  settle(3, 500_000, 0);
  expect([1, 2, 3].map((number) => calls.recall(idOf(number)))).toEqual([{ outcome }, { outcome }, { outcome: brief }]);
  settle(4, 500_000, longAfterMs);
  expect([1, 4].map((number) => calls.recall(idOf(number)))).toEqual(["new", { outcome }]);
});

test("a result that is replaced gives its bytes back", () => {
  const calls = new CallRepository(database(), 10);
  for (let turn = 0; turn < 5; turn++) calls.settle(first, { outcome, brief }, { ...soon, bytesMax: 8 });
  calls.settle(idOf(2), { outcome, brief }, { ...soon, bytesMax: 8 });
  expect([first, idOf(2)].map((id) => calls.recall(id))).toEqual([{ outcome }, { outcome }]);
});

test("what a rolled back transaction had remembered does not count", () => {
  const file = database();
  const calls = new CallRepository(file, 2);
  expect(calls.remember(first, 1_000, 0)).toBe("new");
  file.exec("BEGIN");
  expect(calls.remember(idOf(2), 1_000, 0)).toBe("new");
  file.exec("ROLLBACK");
  calls.recount();
  expect(calls.recall(idOf(2))).toBe("new");
  expect(calls.remember(idOf(3), 1_000, 0)).toBe("new");
  expect(calls.remember(idOf(4), 1_000, 0)).toBe("full");
});
