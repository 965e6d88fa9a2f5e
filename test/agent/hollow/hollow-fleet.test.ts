import { expect, test } from "vitest";
import { startHollowFleet, type HollowFleet, type HollowPlan } from "#agent/hollow/hollow-fleet.ts";
import { MemoryTree } from "../../fakes/memory-tree.ts";
import { beginCall, program, publish, statuses } from "../../scenarios/machine-scene.ts";

const plan: Omit<HollowPlan, "parents"> = {
  children: 40,
  prefix: "h-",
  level: "device",
  zone: undefined,
  zones: 4,
  tags: ["hollow"],
  answers: new Map([["blink", { on: true }]]),
  perSecond: 1_000,
};

/** A cloud with a fog, and the plan's children below that, over links known by `links`. */
async function hollowTree(given: Partial<HollowPlan> = {}): Promise<{
  readonly tree: MemoryTree;
  readonly fleet: HollowFleet;
}> {
  const tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1" });
  await tree.advance(1_000);
  let drawn = 0;
  const random = { unit: () => 0.5, uint32: () => ++drawn, uuid: () => `hollow-uuid-${++drawn}` };
  const fleet = startHollowFleet(
    { clock: tree.clock, random },
    { ...plan, parents: [tree.dialFrom("links", "fog-1")], ...given },
  );
  return { tree, fleet };
}

async function end({ tree, fleet }: Awaited<ReturnType<typeof hollowTree>>): Promise<void> {
  const stopping = fleet[Symbol.asyncDispose]();
  await tree.advance(1_000);
  await stopping;
  await tree[Symbol.asyncDispose]();
}

test("[J8] hollow nodes are children like others: a call finds those that its condition names, and each runs it once", async () => {
  const scene = await hollowTree();
  const { tree, fleet } = scene;
  await tree.advance(3_000);
  expect(fleet.report()).toMatchObject({ connected: 40, refused: 0 });
  const call = await beginCall(tree, "cloud-1", "blink", { if: "zone == 'zone-2' && 'hollow' in tags", ttl: 10 });
  await tree.advance(1_000);
  const final = call.final();
  expect(final.counts).toMatchObject({ matched: 10, done: 10 });
  expect(final.results.map(({ value }) => value)).toEqual(Array.from({ length: 10 }, () => ({ on: true })));
  expect(statuses(final)["h-2"]).toBe("done");
  const other = await beginCall(tree, "cloud-1", "nothing", { if: "name == 'h-3'", ttl: 10 });
  await tree.advance(1_000);
  expect(other.final().results[0]).toMatchObject({ node: "h-3", status: "refused" });
  expect(fleet.report()).toMatchObject({ ran: 10 });
  await end(scene);
});

test("[T5] hollow nodes connect again after a cut, are asked for what waited, and say goodbye in the end", async () => {
  const scene = await hollowTree({ children: 3, zones: 0, zone: "west" });
  const { tree, fleet } = scene;
  await tree.advance(3_000);
  const { heard } = await program(tree, "fog-1", "/level/presence/+");
  await tree.link("links", "down");
  await tree.advance(1_000);
  expect(fleet.report().connected).toBe(0);
  const call = await beginCall(tree, "cloud-1", "info", { if: "zone == 'west'", ttl: 60 });
  await tree.advance(1_000);
  expect(
    call
      .last()
      ?.waiting.map(({ node }) => node)
      .toSorted(),
  ).toEqual(["h-1", "h-2", "h-3"]);
  await tree.link("links", "up");
  await tree.advance(40_000);
  expect(call.final().counts).toMatchObject({ matched: 3, done: 3 });
  expect(fleet.report()).toMatchObject({ connected: 3, ran: 3 });
  const before = heard.length;
  const stopping = fleet[Symbol.asyncDispose]();
  await tree.advance(1_000);
  await stopping;
  const left = heard
    .slice(before)
    .filter(({ text }) => (JSON.parse(text) as { readonly state: string }).state === "left");
  expect(left.map(({ topic }) => topic).toSorted()).toEqual([1, 2, 3].map((n) => `/level/presence/h-${n}`));
  await tree[Symbol.asyncDispose]();
});

test("hollow nodes dial at the rate that is asked for, and count what they move", async () => {
  const scene = await hollowTree({ children: 100, perSecond: 20 });
  const { tree, fleet } = scene;
  await tree.advance(2_000);
  const half = fleet.report();
  expect(half.connected).toBeGreaterThan(30);
  expect(half.connected).toBeLessThanOrEqual(41);
  await tree.advance(4_000);
  const before = fleet.report();
  expect(before.connected).toBe(100);
  const { client } = await program(tree, "cloud-1", "/nothing");
  await publish(client, "/machine/events/external/news", { args: 1 });
  await tree.advance(1_000);
  const after = fleet.report();
  expect(after.events - before.events).toBe(100);
  expect(after.callFramesIn - before.callFramesIn).toBe(100);
  expect(after.callBytesIn).toBeGreaterThan(before.callBytesIn);
  expect(after.framesIn).toBeGreaterThanOrEqual(after.callFramesIn);
  await end(scene);
});
