// Two processes of one node name below different fogs: the later one is kept out, and operators see it at every node concerned.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { eventually, nodeUnderTest, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";

/** What an operator reads in the status and in the metrics. */
async function alarmsOf(node: NodeUnderTest): Promise<{ readonly about: readonly string[]; readonly counted: number }> {
  const { alarms = [], counters } = await node.status();
  return { about: alarms.map(({ about, reason }) => `${about}: ${reason}`), counted: counters["tree.alarms"] ?? 0 };
}

test("a name that is taken below another fog: the later node is kept out, and the status of all five says so", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-names-"));
  const pick = createPortPicker();
  const add = async (place: string, name: string, settings: string, parent?: NodeUnderTest): Promise<NodeUnderTest> => {
    mkdirSync(join(folder, place), { recursive: true });
    const uplink = parent === undefined ? "" : `uplink: { url = "mqtt://127.0.0.1:${parent.mqttPort}"; };`;
    const ports = { mqtt: await pick(), http: await pick() };
    return nodeUnderTest(join(folder, place), name, ports, `${settings} ${uplink}`);
  };
  const device = "level = device; sources: { host: { enabled = false; }; };";
  const cloud = await add("tree", "cloud-1", "level = cloud;");
  const fogs = [await add("tree", "fog-1", "level = fog;", cloud), await add("tree", "fog-2", "level = fog;", cloud)];
  const [fog1, fog2] = fogs as [NodeUnderTest, NodeUnderTest];
  const first = await add("tree", "device-1", device, fog1);
  const second = await add("other", "device-1", device, fog2);
  const nodes = [cloud, ...fogs, first, second];
  const isUp = async (node: NodeUnderTest): Promise<boolean> => (await node.status()).uplink.state === "up";
  try {
    for (const node of [cloud, ...fogs, first]) await node.start();
    // The root must have heard of the first one before the second comes.
    const heard = async (): Promise<boolean> =>
      (await cloud.status()).below.some((one) => one.node === "device-1" && one.parent === "fog-1");
    await eventually(heard, (isHeard) => isHeard);
    await second.start();
    await eventually(
      () => isUp(second),
      (up) => up,
    );
    const told = async () => Promise.all(nodes.map(alarmsOf));
    const ruled = await eventually(told, (alarms) => alarms.every(({ about }) => about.length > 0));
    expect(await isUp(first)).toBe(true);
    expect(await isUp(second)).toBe(false);
    expect(ruled.every(({ counted }) => counted > 0)).toBe(true);
    const [atCloud, , , atFirst, atSecond] = ruled.map(({ about }) => about.join("\n"));
    expect(atCloud).toContain('"device-1" at "fog-2" is kept out');
    expect(atFirst).toContain('"device-1" at "fog-1" goes on');
    expect(atSecond).toContain('"device-1" at "fog-2" is kept out');
    expect((await second.status()).uplink.reason).toContain("is kept out");
  } finally {
    await Promise.all(nodes.map((node) => node.end()));
    rmSync(folder, { recursive: true, force: true });
  }
});
