// The acceptance scenarios of level messages, on real processes with stock MQTT clients.
import { expect, test } from "vitest";
import { eventually } from "../../scripts/torture/node-under-test.ts";
import { beginCall, callLevels, reached } from "./machine-calls.ts";
import { hear, nodeIds, withMachineTree, type MachineTree, type NodeId } from "./machine-tree.ts";

test("[J-S3] [J9] [T2] level messages are heard at their own broker and nowhere else", () =>
  withMachineTree(async (tree) => {
    const heard = new Map<NodeId, string[]>();
    for (const name of nodeIds) {
      const topics: string[] = [];
      const ear = await tree.client(name);
      ear.on("message", (topic) => topics.push(topic));
      await ear.subscribeAsync("#", { qos: 1 });
      heard.set(name, topics);
    }
    const speakers = ["device-1", "fog-1", "cloud-1"] as const;
    for (const name of speakers) {
      const speaker = await tree.client(name);
      await speaker.publishAsync(`/level/news/${name}`, "1", { qos: 1, retain: true });
      const request = JSON.stringify({ reply: `/level/answers/${name}` });
      await speaker.publishAsync("/level/functions/ping", request, { qos: 1 });
      // What does go to the others, up and down, went later: had the level messages left the node, they would be there first.
      await speaker.publishAsync(`/machine/events/external/said-${name}`, "1", { qos: 1 });
      await speaker.publishAsync("/data/said", "1", { qos: 1 });
    }
    for (const name of nodeIds) {
      const events = (): number => (heard.get(name) ?? []).filter((topic) => topic.includes("/said-")).length;
      await reached(events, speakers.length);
    }
    const fromDevice = (): number => Number(heard.get("cloud-1")?.includes("/from/device-1/data/said"));
    await reached(fromDevice, 1);
    const ofLevels = Array.from(heard, ([name, topics]) => [
      name,
      topics.filter((topic) => /\/level\/(?:news|answers|functions)/.test(topic)).toSorted(),
    ]);
    const own = (name: NodeId): readonly string[] =>
      speakers.some((speaker) => speaker === name)
        ? [`/level/answers/${name}`, "/level/functions/ping", `/level/news/${name}`]
        : [];
    expect(ofLevels).toEqual(nodeIds.map((name) => [name, own(name)]));
  }));

/** A program that offers "measure" at its level, and what it was asked, but for what is drawn anew for each call. */
async function measurer(tree: MachineTree, name: NodeId): Promise<readonly object[]> {
  const client = await tree.client(name);
  const asked: object[] = [];
  client.on("message", (_topic, payload) => {
    const request = JSON.parse(payload.toString()) as { readonly args: string; readonly reply: string };
    const {
      id: _id,
      deadline: _deadline,
      ttlMs: _ttl,
      reply,
      ...rest
    } = request as typeof request & Record<string, unknown>;
    asked.push(rest);
    const answer = request.args.includes(`not ${name}`) ? { error: "no" } : { result: name };
    client.publish(reply, JSON.stringify(answer), { qos: 1 });
  });
  await client.subscribeAsync("/level/functions/measure", { qos: 1 });
  return asked;
}

test("[J-S4] [J11] [J12] [J13] [J-T12] one outcome of each level, in sequence until the first success, alike for whoever answers; nobody matched is said at once", () =>
  withMachineTree(async (tree) => {
    const levels = ["device-1", "fog-1", "cloud-1"] as const;
    const asked = new Map(await Promise.all(levels.map(async (name) => [name, await measurer(tree, name)] as const)));
    const path = (await hear(tree, "device-1", "/level/uplink")) as readonly {
      readonly path: readonly { readonly uplink: string }[];
    }[];
    await reached(() => path.at(-1)?.path.length ?? 0, 2);
    const call = async (body: object): Promise<readonly string[]> => {
      const { outcomes } = await callLevels(tree, "device-1", "measure", { timeoutMs: 20_000, ...body });
      return outcomes.map(({ node, status }) => `${node} ${status}`);
    };
    const args = "not device-1";
    const all = await call({ args });
    expect(all.toSorted()).toEqual(["cloud-1 ok", "device-1 failed", "fog-1 ok"]);
    expect(await call({ args, mode: "sequential" })).toEqual(["device-1 failed", "fog-1 ok"]);
    // The same was asked in both modes, and the cloud in one of them.
    expect(levels.map((name) => asked.get(name)?.length)).toEqual([2, 2, 1]);
    for (const requests of asked.values()) for (const request of requests) expect(request).toEqual(requests[0]);

    tree.link("fog-1").set({ type: "accept-and-drop" });
    tree.link("fog-1").reset();
    await eventually(
      async () => path.at(-1)?.path[0]?.uplink,
      (uplink) => uplink === "down",
    );
    const cut = await call({ args: "", if: "name != 'fog-1'" });
    expect(cut.toSorted()).toEqual(["cloud-1 unreachable", "device-1 ok", "fog-1 refused"]);
    const nobody = await beginCall(tree, "measure", { mode: "sync", if: "name == 'nobody'", ttl: 600 });
    expect(await nobody.final()).toMatchObject({ counts: { matched: 0 }, results: [], waiting: [] });
  }));
