import { expect, onTestFinished, test } from "vitest";
import { BelowRepository } from "#agent/store/below-repository.ts";
import { openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { limits } from "#shared/limits.ts";

function database() {
  const opened = openDatabase(":memory:", { migrations: nodeMigrations, cacheBytes: 1_000_000 });
  onTestFinished(() => opened.close());
  return opened;
}

test("names stay, of each child its own", () => {
  const file = database();
  const below = new BelowRepository(file);
  below.add("fog-1", ["device-1", "device-2"]);
  below.add("fog-2", ["device-3"]);
  for (const one of [below, new BelowRepository(file)]) {
    expect(["device-1", "device-2", "device-3"].map((name) => one.has("fog-1", name))).toEqual([true, true, false]);
    expect(one.has("fog-2", "device-3")).toBe(true);
  }
});

test("the number of names is bounded: those longest known make room", () => {
  const below = new BelowRepository(database());
  const names = Array.from({ length: limits.namedBelow }, (_, index) => `device-${index}`);
  below.add("fog-1", names);
  below.add("fog-1", ["newcomer"]);
  expect(["device-0", "device-1", "newcomer"].map((name) => below.has("fog-1", name))).toEqual([false, true, true]);
});
