// What programs hear of the tree around their node, on whole nodes in memory: presence, the path, conclusions, built-in events.
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { MemoryTree } from "../fakes/memory-tree.ts";
import { program, publish } from "./machine-scene.ts";

interface Body {
  readonly state?: string;
  readonly reason?: string;
  readonly conclusion?: string;
  readonly summary?: string;
  readonly lost?: readonly string[];
  readonly broken?: { readonly at: string; readonly since: string };
  readonly path?: readonly object[];
  readonly earlier?: object;
  readonly history: {
    readonly counts: Readonly<Record<string, number>>;
    readonly changes: readonly { readonly state: string; readonly since: string }[];
  };
}

interface EventBody {
  readonly name: string;
  readonly args: { readonly node?: string; readonly conclusion?: string; readonly count?: number };
}

const devices = ["device-1", "device-2", "device-3", "device-4"] as const;
/** Within which presence converges [P1], with the second that the acceptance scenario adds. */
const convergedMs = limits.failureWindowMs + 1000;

/** More than the time for which nothing may be given up before that counts as over. */
const quietMs = 80_000;

/** cloud-1 above fog-1 above four devices. */
async function sixNodes(): Promise<MemoryTree> {
  const tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1" });
  for (const device of devices) await tree.add(device, { level: "device", parent: "fog-1" });
  await tree.advance(3000);
  return tree;
}

/** Everything that is said on `topic` at `node` from now on, what is retained first. */
async function bodies(tree: MemoryTree, node: string, topic: string) {
  const { heard } = await program(tree, node, topic);
  const all = (): readonly Body[] => heard.map(({ text }) => JSON.parse(text) as Body);
  return { all, last: () => all().at(-1) };
}

async function events(tree: MemoryTree, node: string) {
  const { heard } = await program(tree, node, "/machine/events/internal/#");
  return {
    all: (): readonly EventBody[] => heard.map(({ text }) => JSON.parse(text) as EventBody),
    named: (): readonly string[] =>
      heard
        .map(({ text }) => JSON.parse(text) as EventBody)
        .map(({ name, args }) => `${name} ${args.conclusion ?? args.node ?? String(args.count)}`),
  };
}

test("[J16.5] [J-S5] one child is cut off: the parent says which, fogs and cloud hear of it, and of its return", async () => {
  await using tree = await sixNodes();
  const network = await bodies(tree, "fog-1", "/level/network");
  const atCloud = await events(tree, "cloud-1");
  const atSibling = await events(tree, "fog-1");
  const atDevice = await events(tree, "device-4");
  const atLost = await events(tree, "device-1");
  await tree.link("device-1", "silent");
  await tree.advance(convergedMs);
  expect(network.last()).toMatchObject({ conclusion: "node-failed", lost: ["device-1"] });
  for (const heard of [atCloud, atSibling]) expect(heard.named()).toEqual(["node-lost device-1"]);
  await tree.link("device-1", "up");
  await tree.advance(30_000);
  expect(network.last()).toMatchObject({ conclusion: "connected" });
  for (const heard of [atCloud, atSibling]) expect(heard.named()).toContain("node-joined device-1");
  // What was cut off knows itself; nobody else took it for a partition, and its fellows hear nothing of it.
  expect(atLost.named()).toEqual(["partitioned cut-off", "healed connected"]);
  for (const heard of [atCloud, atSibling])
    expect(heard.named().filter((name) => !name.startsWith("node-"))).toEqual([]);
  expect(atDevice.named()).toEqual([]);
});

test("[J16.5] [J-S5] many children at once: a segment failed, one event tells it, and one that it is healed", async () => {
  await using tree = await sixNodes();
  const network = await bodies(tree, "fog-1", "/level/network");
  const atCloud = await events(tree, "cloud-1");
  for (const device of devices.slice(0, 3)) await tree.link(device, "silent");
  await tree.advance(convergedMs);
  expect(network.last()).toMatchObject({ conclusion: "segment-failed", lost: ["device-1", "device-2", "device-3"] });
  expect(atCloud.named()).toEqual(["partitioned segment-failed"]);
  expect(atCloud.all()[0]?.args).toMatchObject({ node: "fog-1", count: 3 });
  for (const device of devices.slice(0, 3)) await tree.link(device, "up");
  await tree.advance(40_000);
  expect(network.last()?.conclusion).toBe("connected");
  expect(atCloud.named()).toContain("healed connected");
});

test("[J16.4] [J-S5] the uplink lost with the children fine: cut off from above; those above hear of it afterwards", async () => {
  await using tree = await sixNodes();
  const network = await bodies(tree, "fog-1", "/level/network");
  const atDevice = await events(tree, "device-1");
  const atCloud = await events(tree, "cloud-1");
  await tree.link("fog-1", "silent");
  await tree.advance(convergedMs);
  expect(network.last()).toMatchObject({ conclusion: "cut-off" });
  expect(atDevice.named()).toEqual(["partitioned cut-off"]);
  expect(atCloud.named()).toEqual(["node-lost fog-1"]);
  await tree.link("fog-1", "up");
  await tree.advance(40_000);
  expect(network.last()?.conclusion).toBe("connected");
  expect(atDevice.named()).toContain("healed connected");
  expect(atCloud.named()).toEqual(expect.arrayContaining(["partitioned cut-off", "healed connected"]));
});

test("[J16.4] [J-S5] the uplink and all children lost: our own network is gone", async () => {
  await using tree = await sixNodes();
  const network = await bodies(tree, "fog-1", "/level/network");
  const local = await events(tree, "fog-1");
  for (const node of ["fog-1", ...devices]) await tree.link(node, "silent");
  await tree.advance(convergedMs);
  expect(network.last()).toMatchObject({ conclusion: "isolated", lost: [...devices] });
  expect(local.named().at(-1)).toBe("partitioned isolated");
  expect(local.named().filter((name) => name.startsWith("node-lost"))).toEqual([]);
});

test("[J-S5] [J-T6] [X8] a child that stops on purpose is no alarm", async () => {
  await using tree = await sixNodes();
  const network = await bodies(tree, "fog-1", "/level/network");
  const presence = await bodies(tree, "fog-1", "/level/presence/device-2");
  const local = await events(tree, "fog-1");
  await tree.stop("device-2");
  await tree.advance(convergedMs);
  expect(network.all().every(({ conclusion }) => conclusion === "connected")).toBe(true);
  expect(presence.last()).toMatchObject({
    state: "left",
    reason: "stopped on purpose",
    history: { counts: { online: 1, left: 1 }, changes: [{ state: "online" }, { state: "left" }] },
  });
  expect(local.named()).toEqual(["node-left device-2"]);
});

test("[J16.4] a break far above is known to a device at once: the cloud is out of reach since then, the fog is there", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-2", { level: "fog", parent: "cloud-1" });
  await tree.add("fog-1", { level: "fog", parent: "fog-2" });
  await tree.add("device-1", { level: "device", parent: "fog-1" });
  await tree.advance(10_000);
  const uplink = await bodies(tree, "device-1", "/level/uplink");
  expect(uplink.last()).toMatchObject({ state: "up", summary: "cloud-1 ok, fog-2 ok, fog-1 ok" });
  const brokenAt = new Date(tree.clock.now()).toISOString();
  await tree.link("fog-2", "down");
  await tree.settle();
  // No heartbeat has passed since.
  expect(uplink.last()).toMatchObject({
    state: "up",
    broken: { at: "fog-2", since: brokenAt },
    summary: `cloud-1 unreachable since ${brokenAt}, fog-2 ok, fog-1 ok`,
    path: [{ node: "fog-1" }, { node: "fog-2", uplink: "down" }, { node: "cloud-1", unreachableSince: brokenAt }],
  });
  await tree.link("fog-2", "up");
  await tree.advance(3000);
  expect(uplink.last()).toMatchObject({ summary: "cloud-1 ok, fog-2 ok, fog-1 ok" });
  expect(uplink.last()?.broken).toBeUndefined();
});

test("[J-S7] [J-T8] [X12] a fog that is killed and started again shows nobody online who is not, raises no false alarm, and misses nobody", async () => {
  await using tree = await sixNodes();
  await tree.kill("fog-1");
  await tree.link("device-3", "down");
  await tree.start("fog-1");
  const presence = await bodies(tree, "fog-1", "/level/presence/device-3");
  const returned = await bodies(tree, "fog-1", "/level/presence/device-1");
  const own = await bodies(tree, "fog-1", "/level/node");
  const atCloud = await events(tree, "cloud-1");
  expect(presence.all()).toMatchObject([{ state: "lost", reason: "not heard since this node was started" }]);
  expect(own.last()).toMatchObject({ state: "online", earlier: { ended: "crashed" } });
  await tree.advance(30_000);
  expect(returned.last()).toMatchObject({ state: "online" });
  const isAlarm = (name: string): boolean => /^node-(?:lost|left|joined) device/.test(name);
  expect(atCloud.named().filter(isAlarm)).toEqual([]);
  await tree.advance(limits.childReturnMs);
  expect(atCloud.named().filter(isAlarm)).toEqual(["node-lost device-3"]);
});

test("[J3] local clients hear that their node stops, and of the next life that it was on purpose", async () => {
  await using tree = await sixNodes();
  const own = await bodies(tree, "device-1", "/level/node");
  expect(own.last()).toMatchObject({ state: "online" });
  expect(own.last()?.earlier).toBeUndefined();
  await tree.stop("device-1");
  expect(own.last()).toMatchObject({ state: "stopping" });
  await tree.start("device-1");
  const again = await bodies(tree, "device-1", "/level/node");
  expect(again.all()).toMatchObject([{ state: "online", earlier: { ended: "stopped" } }]);
});

test("[J-T8] clients cannot speak for the node: neither about children nor about itself, nor by a reply topic", async () => {
  await using tree = await sixNodes();
  const topics = ["presence/device-1", "presence/ghost", "uplink", "network", "node", "journal", "losses/x"].map(
    (name) => `/level/${name}`,
  );
  const { heard } = await program(tree, "fog-1", "/level/#");
  const before = heard.length;
  for (const topic of topics) {
    await expect(publish(await tree.client("fog-1", "liar"), topic, "forged")).rejects.toThrow();
    await publish(await tree.client("fog-1", "asker"), "/machine/functions/ping", { reply: topic, ttl: 1 });
  }
  await tree.advance(500);
  expect(heard.slice(before).filter(({ topic }) => topics.includes(topic))).toEqual([]);
});

test("[J15] a full journal and its recovery are events of the machine", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1", maxBytes: 400_000 });
  await tree.advance(3000);
  const atFog = await events(tree, "fog-1");
  const atCloud = await events(tree, "cloud-1");
  await tree.link("fog-1", "down");
  const sensor = await tree.client("fog-1", "sensor");
  const message = { topic: "/data/x", payload: new Uint8Array(20_000), qos: 1 as const, retain: false };
  for (let count = 0; count < 40; count++) {
    await sensor.publish(message).catch(() => undefined);
    await tree.advance(100);
  }
  await tree.advance(5000);
  expect(atFog.named()).toContain("journal-full fog-1");
  await tree.link("fog-1", "up");
  await tree.advance(quietMs);
  expect(atFog.named()).toContain("journal-recovered fog-1");
  expect(atCloud.named()).toContain("journal-recovered fog-1");
});
