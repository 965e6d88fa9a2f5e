// The acceptance scenarios of machine messages, on real processes with stock MQTT clients.
import { expect, test } from "vitest";
import { eventually } from "../../scripts/torture/node-under-test.ts";
import { seen } from "./call-tree.ts";
import { beginCall, reached } from "./machine-calls.ts";
import { hear, nodeIds, withMachineTree, type MachineTree, type NodeId } from "./machine-tree.ts";
/** A program that offers "work" at a device. It answers what it was asked when it is let go, and at once from then on. */
async function worker(tree: MachineTree, name: NodeId) {
  const client = await tree.client(name);
  const runs: string[] = [];
  const go = Promise.withResolvers<void>();
  client.on("message", (_topic, payload) => {
    const { args, reply } = JSON.parse(payload.toString()) as { readonly args: string; readonly reply: string };
    runs.push(args);
    void go.promise.then(() => client.publish(reply, JSON.stringify({ result: name }), { qos: 1 }));
  });
  await client.subscribeAsync("/machine/functions/work", { qos: 1 });
  return { runs, go: () => go.resolve(), begun: (count: number) => reached(() => runs.length, count) };
}

/** Machine messages that a node has followed so far. */
async function followed(tree: MachineTree, name: NodeId): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${tree.node(name).httpPort}/metrics`)).text();
  return Number(/^fogbank_calls_accepted(?:_total)? (\d+)$/m.exec(metrics)?.[1]);
}

test("[J-S1] [J1] [J8] a call for a zone runs exactly there, passes no fog without such devices, and comes back as one receipt", () =>
  withMachineTree(async (tree) => {
    const workers = await Promise.all((["device-1", "device-2", "device-3"] as const).map((at) => worker(tree, at)));
    for (const { go } of workers) go();
    const body = { if: "zone == 'hall-1' && level == 'device'", args: "blink", ttl: 20 };
    // The news of nodes that have joined passes both fogs alike, but not at the same moment.
    const more = async (): Promise<number> => {
      const [one, other] = await Promise.all([followed(tree, "fog-1"), followed(tree, "fog-2")]);
      return one - other;
    };
    await eventually(more, (count) => count === 0);
    const call = await beginCall(tree, "work", body);
    const final = await call.final();
    expect(final).toMatchObject({ counts: { matched: 2, done: 2 }, waiting: [] });
    expect(final?.results.map(({ node }) => node).toSorted()).toEqual(["device-1", "device-2"]);
    expect(workers.map(({ runs }) => runs)).toEqual([["blink"], ["blink"], []]);
    expect(call.heard.filter((reply) => reply.final)).toHaveLength(1);
    expect(await eventually(more, (count) => count === 1)).toBe(1);
  }));

test("[J-S2] [J16.14] [T3] a fog is killed and a link cut during calls: async runs once, sync at least once, and who is away is named", () =>
  withMachineTree(async (tree) => {
    const workers = await Promise.all((["device-1", "device-2", "device-3"] as const).map((at) => worker(tree, at)));
    const [first, second, third] = workers;
    if (first === undefined || second === undefined || third === undefined) throw new Error("unreachable");
    tree.link("fog-2").set({ type: "accept-and-drop" });
    tree.link("fog-2").reset();
    await eventually(
      () => seen(tree.node("fog-2"), tree.node("cloud-1")),
      (state) => state === "lost",
    );
    const calls = [];
    for (const mode of ["async", "sync"])
      calls.push(await beginCall(tree, "work", { if: "level == 'device'", mode, args: mode, ttl: 120 }));
    await Promise.all([first.begun(2), second.begun(2)]);
    for (const { until } of calls) {
      // Until fog-1 has answered it is named as well.
      const named = await until(({ waiting }) => waiting.length === 1);
      expect(named).toMatchObject({ final: false, waiting: [{ node: "fog-2", at: "cloud-1" }] });
    }
    await tree.node("fog-1").end("SIGKILL");
    for (const { go } of workers) go();
    await tree.node("fog-1").start();
    await tree.linked("fog-1");
    tree.link("fog-2").set({ type: "pass" });
    const finals = await Promise.all(calls.map(({ final }) => final()));
    for (const final of finals) {
      expect(final).toMatchObject({ counts: { matched: 3, done: 3 }, waiting: [] });
      expect(final?.results.map(({ node }) => node).toSorted()).toEqual(["device-1", "device-2", "device-3"]);
    }
    expect(calls.map(({ heard }) => heard.filter((reply) => reply.final).length)).toEqual([1, 1]);
    for (const { runs } of workers) {
      expect(runs.filter((mode) => mode === "async")).toHaveLength(1);
      expect(runs.filter((mode) => mode === "sync").length).toBeGreaterThanOrEqual(1);
    }
  }));

test("[J-S6] [J4] [T1] of all connections that nodes try, none goes downward or aside", () =>
  withMachineTree(async (tree) => {
    const call = await beginCall(tree, "ping", { if: "level == 'device'", scope: "machine", ttl: 20 });
    expect(await call.final()).toMatchObject({ counts: { done: 3 } });
    tree.link("fog-1").reset();
    await tree.node("fog-2").end("SIGKILL");
    await tree.node("fog-2").start();
    for (const name of ["fog-1", "fog-2", "device-1", "device-3"] as const) await tree.linked(name);
    expect([...new Set(tree.dials())].toSorted()).toEqual([
      "device-1 → fog-1",
      "device-2 → fog-1",
      "device-3 → fog-2",
      "fog-1 → cloud-1",
      "fog-2 → cloud-1",
    ]);
  }));

const hostile: readonly (readonly [what: string, condition: unknown])[] = [
  ["nested too deep", `${"(".repeat(900)}true${")".repeat(900)}`],
  ["a list without end", `name in [${"'x', ".repeat(500)}'y']`],
  [
    "every pair of pairs",
    "[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, a+b+c > 0)))",
  ],
  ["of no use as a truth", "name"],
  ["of the wrong type", "zone > 7 && tags == 1.5"],
  ["code", "process.exit(1)"],
  ["code by way of a constructor", "''.constructor.constructor('return process')().exit()"],
  ["the prototype", "__proto__.polluted == 1"],
  ["no text", 7],
  ["longer than a condition may be", `name == '${"x".repeat(4096)}'`],
];

test("[J-S8] [J-T3] hostile conditions are refused or false everywhere, and no node is harmed", () =>
  withMachineTree(async (tree) => {
    const workers = await Promise.all((["device-1", "device-2", "device-3"] as const).map((at) => worker(tree, at)));
    for (const [what, condition] of hostile) {
      const call = await beginCall(tree, "work", { if: condition, args: what, ttl: 20 });
      const final = await call.final();
      if (final?.error === undefined) expect([what, final?.counts["matched"]]).toEqual([what, 0]);
      else expect([what, final.error.message]).toEqual([what, expect.stringMatching(/condition|if must be/)]);
    }
    expect(workers.map(({ runs }) => runs)).toEqual([[], [], []]);
    const after = await beginCall(tree, "ping", { ttl: 20 });
    expect(await after.final()).toMatchObject({ counts: { matched: 6, done: 6 } });
    expect(nodeIds.map((name) => tree.node(name).crash())).toEqual(nodeIds.map(() => undefined));
  }));

test("[J-S10] [J2] [J15] [J16.15] events that a device's client raises are heard once at each node's own broker", () =>
  withMachineTree(async (tree) => {
    const ears = await Promise.all(nodeIds.map((name) => hear(tree, name, "/machine/events/+/+")));
    const raiser = await tree.client("device-2");
    const raised = ["internal/worn", "external/door", "internal/last", "external/last"];
    for (const event of raised) await raiser.publishAsync(`/machine/events/${event}`, '{"args":1}', { qos: 1 });
    const own = (heard: readonly unknown[]): readonly string[] =>
      (heard as readonly { readonly name: string }[])
        .map(({ name }) => name)
        .filter((name) => ["worn", "door", "last"].includes(name));
    for (const heard of ears) await reached(() => own(heard).filter((name) => name === "last").length, 2);
    for (const heard of ears) expect(own(heard).toSorted()).toEqual(["door", "last", "last", "worn"]);
  }));

interface Presence {
  readonly child: string;
  readonly state: string;
}

/** Names of the nodes that `heard` has called lost. */
function namedLost(heard: readonly unknown[]): readonly string[] {
  return (heard as readonly { readonly name: string; readonly args: { readonly node: string } }[])
    .filter(({ name }) => name === "node-lost")
    .map(({ args }) => args.node);
}

/** What fog-1 says of its devices: all of it, and the last word of each. */
async function presenceAtFog(tree: MachineTree) {
  const client = await tree.client("fog-1");
  const told: Presence[] = [];
  client.on("message", (topic, payload) => {
    const { state } = JSON.parse(payload.toString()) as Presence;
    told.push({ child: topic.replace("/level/presence/", ""), state });
  });
  await client.subscribeAsync("/level/presence/+", { qos: 1 });
  const last = (child: string): string | undefined => told.findLast((one) => one.child === child)?.state;
  const becomes = (child: NodeId, state: string): Promise<unknown> =>
    eventually(
      async () => last(child),
      (now) => now === state,
    );
  return { becomes, statesOf: (name: NodeId) => told.filter(({ child }) => child === name).map(({ state }) => state) };
}

test("[J-S7] [J5] [J14] a clean departure, a kill, and what a fog retained before its own end: no departure is missed, no alarm is false", () =>
  withMachineTree(async (tree) => {
    const before = await presenceAtFog(tree);
    await before.becomes("device-1", "online");
    await tree.node("device-1").end("SIGTERM");
    await before.becomes("device-1", "left");
    await tree.node("device-1").start();
    await before.becomes("device-1", "online");
    await tree.node("device-1").end("SIGKILL");
    await before.becomes("device-1", "lost");
    await tree.node("device-1").start();
    await before.becomes("device-1", "online");
    expect(before.statesOf("device-1")).toEqual(["online", "left", "online", "lost", "online"]);
    expect(before.statesOf("device-2")).toEqual(["online"]);
    // The fog's last word on device-2, of an earlier life, is that it is online.
    await tree.node("fog-1").end("SIGKILL");
    await tree.node("device-2").end("SIGKILL");
    await tree.node("fog-1").start();
    await tree.linked("device-1");
    const after = await presenceAtFog(tree);
    await after.becomes("device-1", "online");
    await after.becomes("device-2", "lost");
    await tree.node("device-2").start();
    await after.becomes("device-2", "online");
  }));

test("[J-S7] [J-T7] [X2] a takeover: a device whose old connection still stands at the fog comes back over another one, and nobody takes it for lost; then it is killed, and everybody does", () =>
  withMachineTree(async (tree) => {
    const presence = await presenceAtFog(tree);
    await presence.becomes("device-1", "online");
    const alarms = await hear(tree, "cloud-1", "/machine/events/internal/+");
    const uplink = (await hear(tree, "device-1", "/level/uplink")) as readonly Presence[];
    const sessions = (): number => uplink.filter(({ state }) => state === "up").length;
    for (let takeover = 1; takeover <= 3; takeover++) {
      const before = sessions();
      tree.link("device-1").abandon();
      await reached(sessions, before + 1);
      const call = await beginCall(tree, "ping", { if: "name == 'device-1'", ttl: 20 });
      expect(await call.final()).toMatchObject({ counts: { matched: 1, done: 1 } });
    }
    expect(presence.statesOf("device-1")).not.toContain("lost");
    expect(presence.statesOf("device-1")).not.toContain("left");
    await tree.node("device-1").end("SIGKILL");
    await presence.becomes("device-1", "lost");
    await reached(() => namedLost(alarms).length, 1);
    expect(namedLost(alarms)).toEqual(["device-1"]);
  }));

test("[J8] [J12] a device that was killed is called, and its program connects long after it is back", () =>
  withMachineTree(async (tree) => {
    const { go } = await worker(tree, "device-1");
    go();
    const body = { if: "name == 'device-1'", ttl: 100 };
    expect(await (await beginCall(tree, "work", body)).final()).toMatchObject({ counts: { matched: 1, done: 1 } });
    await tree.node("device-1").end("SIGKILL");
    const call = await beginCall(tree, "work", { ...body, mode: "sync" });
    await tree.node("device-1").start();
    await call.until(({ counts }) => counts["queued"] === 1);
    expect(call.heard.some(({ final }) => final)).toBe(false);
    const late = await worker(tree, "device-1");
    late.go();
    expect(await call.final()).toMatchObject({ counts: { matched: 1, done: 1 }, waiting: [] });
    expect(late.runs).toHaveLength(1);
  }));
