// Events that nodes and clients raise, on whole nodes in memory.
import { expect, test } from "vitest";
import { MemoryTree } from "../fakes/memory-tree.ts";
import { callId, program, publish, sixNodes } from "./machine-scene.ts";

const names = ["cloud-1", "fog-1", "fog-2", "device-1", "device-2", "device-3"] as const;
const topic = "/machine/events/external/door";

/** One listener at each of `nodes`: how often it heard what. */
async function listen(tree: MemoryTree, nodes: readonly string[] = names, filter = "/machine/events/external/#") {
  const heard = new Map<string, { readonly topic: string; readonly text: string }[]>();
  for (const node of nodes) heard.set(node, (await program(tree, node, filter)).heard);
  const counts = (): Readonly<Record<string, number>> =>
    Object.fromEntries(Array.from(heard, ([node, list]) => [node, list.length]));
  return { heard, counts };
}

const once = Object.fromEntries(names.map((name) => [name, 1]));

test.each([0, 1] as const)(
  "[J15] [J16.15] an event that a device's client raises at QoS %i reaches every subscriber of the machine once",
  async (qos) => {
    await using tree = await sixNodes();
    const { heard, counts } = await listen(tree);
    const { client } = await program(tree, "device-2", "/nothing");
    await publish(client, topic, { args: { door: 3 } }, qos);
    await tree.advance(3000);
    expect(counts()).toEqual(once);
    const [event] = heard.get("device-3") ?? [];
    expect(event?.topic).toBe(topic);
    expect(JSON.parse(event?.text ?? "")).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{32}$/),
      name: "door",
      args: { door: 3 },
      origin: "device-2",
      time: expect.stringMatching(/^20\d\d-/),
    });
  },
);

test("[J15] an event is told where its condition holds, with scope subtree only from its node down", async () => {
  await using tree = await sixNodes();
  const { counts } = await listen(tree, names, "/machine/events/internal/#");
  const { client } = await program(tree, "fog-1", "/nothing");
  await publish(client, "/machine/events/internal/a", { if: "level == 'device'" });
  await tree.advance(3000);
  expect(counts()).toMatchObject({ "cloud-1": 0, "fog-1": 0, "device-1": 1, "device-3": 1 });
  await publish(client, "/machine/events/internal/b", { scope: "subtree" });
  await tree.advance(3000);
  expect(counts()).toMatchObject({ "cloud-1": 0, "fog-1": 1, "device-1": 2, "device-3": 1 });
});

test("[J15] a durable event reaches a device that comes back, through a fog that was killed, once; one at QoS 0 does not", async () => {
  await using tree = await sixNodes();
  await tree.link("device-1", "down");
  await tree.advance(15_000);
  const { client } = await program(tree, "device-3", "/nothing");
  await publish(client, topic, { args: 1, ttl: 300 });
  await publish(client, topic, { args: 0, ttl: 300 }, 0);
  await tree.advance(2000);
  await tree.kill("fog-1");
  await tree.start("fog-1");
  const { heard, counts } = await listen(tree, ["device-1", "device-2", "fog-1"]);
  await tree.link("device-1", "up");
  await tree.advance(60_000);
  expect(counts()).toEqual({ "device-1": 1, "device-2": 0, "fog-1": 0 });
  expect(JSON.parse(heard.get("device-1")?.[0]?.text ?? "")).toMatchObject({ args: 1 });
});

test("[J15] [J-T13] a durable event reaches a node that was not there before, and none after its deadline", async () => {
  await using tree = await sixNodes();
  const { client } = await program(tree, "cloud-1", "/nothing");
  await publish(client, topic, { args: "long", ttl: 60 });
  await publish(client, topic, { args: "short", ttl: 5 });
  await tree.advance(10_000);
  await tree.add("device-4", { level: "device", parent: "fog-2" });
  const { heard } = await listen(tree, ["device-4"]);
  await tree.advance(5000);
  expect(heard.get("device-4")?.map(({ text }) => (JSON.parse(text) as { readonly args: string }).args)).toEqual([
    "long",
  ]);
});

test("[J15] [J16.14] a durable event that a fog without uplink raises reaches the cloud by the fog that changes places with it", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1" });
  await tree.add("fog-2", { level: "fog", parent: "fog-1" });
  await tree.advance(2000);
  const { counts } = await listen(tree, ["cloud-1", "fog-2"]);
  await tree.link("fog-1", "down");
  const { client } = await program(tree, "fog-1", "/nothing");
  await publish(client, topic, { args: 1, ttl: 600 });
  await tree.advance(1000);
  expect(counts()).toEqual({ "cloud-1": 0, "fog-2": 1 });
  await tree.move("fog-2", "cloud-1");
  await tree.move("fog-1", "fog-2");
  await tree.link("fog-1", "up");
  await tree.advance(60_000);
  expect(counts()).toEqual({ "cloud-1": 1, "fog-2": 1 });
});

test("an event that cannot be taken is refused", async () => {
  await using tree = await sixNodes();
  const { counts } = await listen(tree, ["cloud-1"]);
  for (const body of ["{broken", '{"reply":"/x"}', '{"if":"level = 1"}', '{"mode":"sync"}']) {
    const { client } = await program(tree, "cloud-1", "/nothing");
    await expect(publish(client, topic, body)).rejects.toThrow();
  }
  expect(counts()).toEqual({ "cloud-1": 0 });
});

test("[J15] an event at QoS 0 that is repeated within its life is told once, and again after it", async () => {
  await using tree = await sixNodes();
  const { heard } = await program(tree, "device-1", "/machine/events/#");
  const { client } = await program(tree, "cloud-1", "/nothing");
  const raise = async (afterMs: number): Promise<number> => {
    await publish(client, "/machine/events/external/bang", { id: callId, ttl: 60 }, 0);
    await tree.advance(afterMs);
    return heard.length;
  };
  expect([await raise(12_000), await raise(30_000), await raise(20_000)]).toEqual([1, 1, 1]);
  expect(await raise(1000)).toBe(2);
});
