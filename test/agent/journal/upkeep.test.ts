import { expect, test } from "vitest";
import type { GivenUp } from "#agent/journal/notices.ts";
import { startUpkeep } from "#agent/journal/upkeep.ts";
import type { NodeStore } from "#agent/store/node-store.ts";
import type { RemovedTotal } from "#agent/store/segment-removal.ts";
import { FogbankError } from "#shared/errors.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

/** A store that answers what a test has put there. */
function world(
  portions: { readonly expire?: boolean[]; readonly compact?: boolean[]; readonly retell?: boolean[] } = {},
) {
  const clock = new FakeClock(1_000_000);
  const writes: string[] = [];
  const told: (readonly GivenUp[])[] = [];
  const answers = { failing: false, removed: [] as RemovedTotal[] };
  const rare: [name: string, ms: number | undefined][] = [];
  const store = {
    async write(name: string, args: { readonly nowMs?: number; readonly ranMs?: number }) {
      if (answers.failing) throw new FogbankError("FOGBANK_STORE_FULL", "full");
      if (name === "reviewHoles" || name === "forgetEpochs") {
        rare.push([name, args.ranMs ?? args.nowMs]);
        return name === "forgetEpochs" ? [] : { next: null, presumedLost: 0, scattered: [], newestId: 0 };
      }
      if (name === "closeEpochs") return 0;
      writes.push(args.nowMs === undefined ? name : `${name} ${args.nowMs}`);
      const more = portions[name as "expire" | "compact" | "retell"]?.shift() ?? false;
      return { more, newestId: 0 };
    },
    read: async (name: string) => (name === "retelling" ? (portions.retell ?? []).length > 0 : answers.removed),
  } as unknown as NodeStore;
  const upkeep = startUpkeep({
    store,
    notices: { evicting: (givenUp) => told.push(givenUp), scattered: () => undefined },
    clock,
    treeNow: () => clock.now() + 5,
    log: silentLogger(),
  });
  return { clock, writes, rare, told, answers, upkeep };
}

const removed = (messages: number, reason: RemovedTotal["reason"] = "evicted", stream = "data"): RemovedTotal => ({
  node: "pump-1",
  stream,
  reason,
  segments: 1,
  messages,
  bytes: messages * 10,
});

test("ages are looked at when it starts and each minute, by the tree's time, until nothing is too old", async () => {
  const { clock, writes, upkeep } = world({ expire: [true, true, false] });
  await clock.advance(59_000);
  expect(writes.filter((name) => name !== "compact")).toEqual(Array.from({ length: 3 }, () => "expire 1000005"));
  await clock.advance(2_000);
  expect(writes.filter((name) => name !== "compact").at(-1)).toBe("expire 1060005");
  await upkeep[Symbol.asyncDispose]();
});

test("small segments are made into full ones, a portion a write, while there is something to do", async () => {
  const { clock, writes, upkeep } = world({ compact: [true, true] });
  await clock.advance(0);
  expect(writes).toEqual(["expire 1000005", "compact", "compact", "compact"]);
  await clock.advance(5_000);
  expect(writes).toHaveLength(5);
  await upkeep[Symbol.asyncDispose]();
});

test("a long compaction holds up nothing that is due", async () => {
  const { clock, writes, upkeep } = world({ compact: Array.from({ length: 500 }, () => true) });
  await clock.advance(60_000);
  expect(writes.indexOf("expire 1060005")).toBeGreaterThan(100);
  expect(writes.indexOf("expire 1060005")).toBeLessThan(300);
  await clock.advance(180_000);
  expect(writes.filter((name) => name === "compact").length).toBeGreaterThan(500);
  await upkeep[Symbol.asyncDispose]();
});

test("losses that another parent may not know are told, a portion a write, and none is written where there are none", async () => {
  const { clock, writes, upkeep } = world({ retell: [true, true, false] });
  await clock.advance(10_000);
  expect(writes).toEqual(["expire 1000005", "retell", "retell", "retell", "compact", "compact", "compact"]);
  await upkeep[Symbol.asyncDispose]();
});

test("evictions are told while they grow, a few times a minute, and are over after a quiet one", async () => {
  const { clock, told, answers, upkeep } = world();
  answers.removed = [removed(100, "expired")];
  await clock.advance(5_000);
  expect(told).toEqual([]);
  answers.removed = [removed(3), removed(100, "expired")];
  await clock.advance(5_000);
  answers.removed = [removed(5), removed(2, "evicted", "bulk")];
  await clock.advance(5_000);
  expect(told).toEqual([
    [{ origin: "pump-1", stream: "data", messages: 3, bytes: 30 }],
    [
      { origin: "pump-1", stream: "data", messages: 5, bytes: 50 },
      { origin: "pump-1", stream: "bulk", messages: 2, bytes: 20 },
    ],
  ]);
  await clock.advance(59_000);
  expect(told).toHaveLength(2);
  await clock.advance(5_000);
  expect(told.at(-1)).toEqual([]);
  answers.removed = [removed(6), removed(2, "evicted", "bulk")];
  await clock.advance(5_000);
  expect(told.at(-1)).toEqual([{ origin: "pump-1", stream: "data", messages: 1, bytes: 10 }]);
  await upkeep[Symbol.asyncDispose]();
});

test("a store that fails is tried again", async () => {
  const { clock, writes, answers, upkeep } = world();
  await clock.advance(0);
  answers.failing = true;
  await clock.advance(5_000);
  answers.failing = false;
  const before = writes.length;
  await clock.advance(5_000);
  expect(writes.length).toBeGreaterThan(before);
  await upkeep[Symbol.asyncDispose]();
  expect(clock.sleepers).toBe(0);
});

test("[O6] holes are looked at every ten minutes, old epochs every day; time that a failing store did not count is counted later", async () => {
  const { clock, rare, answers, upkeep } = world();
  await clock.advance(599_000);
  expect(rare).toEqual([
    ["reviewHoles", 0],
    ["forgetEpochs", 1_000_000],
  ]);
  answers.failing = true;
  await clock.advance(602_000);
  answers.failing = false;
  await clock.advance(600_000);
  const counted = rare.filter(([name]) => name === "reviewHoles").map(([, ranMs = 0]) => ranMs);
  expect(counted).toHaveLength(2);
  expect(counted[1]).toBeGreaterThan(1_200_000);
  await clock.advance(24 * 3_600_000);
  expect(rare.filter(([name]) => name === "forgetEpochs")).toHaveLength(2);
  await upkeep[Symbol.asyncDispose]();
});
