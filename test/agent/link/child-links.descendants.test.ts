// A parent that hears in portions what is below a child.
import { expect, onTestFinished, test } from "vitest";
import { treeAuthorizer } from "#agent/broker/authorize.ts";
import { startChildLinks } from "#agent/link/child-links.ts";
import { knownChildOf } from "#agent/link/known-child.ts";
import { namesInBeat } from "#agent/link/names-below.ts";
import { createOwnIdentity } from "#agent/link/own-identity.ts";
import { createTreeTime } from "#agent/link/tree-time.ts";
import { createPresence } from "#agent/presence/presence.ts";
import { openNodeStoreInThread } from "#agent/store/node-store.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { systemRandom } from "#agent/system/system-random.ts";
import { parseNodeName } from "#shared/ids.ts";
import type { Descendant } from "#shared/link/descendant.ts";
import type { DescendantNews, Missing } from "#shared/link/descendant-news.ts";
import { decodeFromParent, encodeHeartbeat, encodeHello, protocolVersion } from "#shared/link/hello.ts";
import { downFilter, upTopic } from "#shared/topics.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { MemoryBroker } from "../../fakes/memory-broker.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const name = parseNodeName("cloud-1");
const fog = parseNodeName("fog-1");

function node(device: string): Descendant {
  const place = { level: "device", zone: undefined, tags: [] } as const;
  return { ...place, name: parseNodeName(device), parent: fog, online: true, sinceMs: 0 };
}

async function startParent() {
  const clock = new FakeClock();
  const log = silentLogger();
  const config = { name, file: ":memory:", maxBytes: 1e8, isFinal: false };
  const store = openNodeStoreInThread({ clock, hasher: nodeHasher }, config);
  const fresh = { uuid: "u", epoch: 5, instance: 6 };
  const opened = await store.write("open", { fresh, streams: [], nowMs: 1, idsAbove: 0 });
  const broker = new MemoryBroker({ clock, log }, { authorizer: treeAuthorizer });
  const tree = createPresence({ bus: broker, clock, log }, { name, level: "cloud", url: undefined });
  const connections = { disconnect: () => undefined, isConnected: () => false };
  const deps = { bus: broker, ...connections, store, tree, time: createTreeTime(clock, true), clock, log };
  const own = createOwnIdentity({ store, tree, clock, random: systemRandom, log }, opened);
  const links = startChildLinks(deps, { name, identity: own });
  onTestFinished(async () => {
    const stopped = links[Symbol.asyncDispose]();
    await clock.advance(1_000);
    await stopped;
  });
  const answered: number[] = [];
  const control = await broker.connect(fog);
  control.onMessage(({ topic, payload }) => {
    const answer = topic.endsWith("/h") ? decodeFromParent(payload) : undefined;
    if (answer === undefined || !("frame" in answer) || !("beat" in answer.frame)) return;
    if (answer.frame.beat.belowHeard !== undefined) answered.push(answer.frame.beat.belowHeard);
  });
  await control.subscribe(downFilter(fog));
  const send = async (payload: Uint8Array): Promise<void> => {
    await control.publish({ topic: upTopic(fog, "h"), payload, qos: 0, retain: false });
    for (let round = 0; round < 50; round++) await clock.advance(0);
  };
  const place = { level: "fog", zone: undefined, tags: [] } as const;
  const who = { version: protocolVersion, name: fog, epoch: 1, bootId: "b", uuid: "u", conn: 1, place };
  const about = { streams: [], lows: [], nowMs: 1 };
  const nothing = { streams: [], nowMs: 1, creditBytes: undefined, path: undefined, descendants: undefined };
  return {
    tree,
    answered,
    hello: (descendants: readonly Descendant[], missing?: Missing) =>
      send(encodeHello({ ...who, ...about, descendants, ...(missing && { missing }) })),
    tell: (below: DescendantNews) => send(encodeHeartbeat({ ...nothing, below })),
    below: () => tree.child(fog)?.descendants.map((one) => one.name),
  };
}

test("[X15] portions are answered one by one; until the new list is whole, the one of the session before stands", async () => {
  const { tree, answered, hello, tell, below } = await startParent();
  await hello([node("a")], "list");
  expect(below()).toEqual(["a"]);
  await tell({ portion: 1, told: [[1, node("b")]], gone: [], missing: undefined });
  expect([answered, below(), tree.isBelowInDoubt()]).toEqual([[1], ["a", "b"], false]);

  await hello([node("b")], "list");
  expect([below(), tree.isBelowInDoubt()]).toEqual([["a", "b"], true]);
  await tell({ portion: 1, told: [[1, node("c")]], gone: [], missing: "list" });
  expect(below()).toEqual(["a", "b"]);
  const before = tree.version().below;
  await tell({ portion: 2, told: [[2, node("d")]], gone: [1], missing: undefined });
  expect([answered, below(), tree.isBelowInDoubt()]).toEqual([[1, 1, 2], ["b", "d"], false]);
  expect(tree.version().below).toBeGreaterThan(before);
});

test("a fog whose list is on its way counts as no leaf, and a portion tells whose messages may come", async () => {
  const { tree, hello } = await startParent();
  const isLeaf = (): boolean => tree.children().map((child) => knownChildOf(child).isLeaf)[0] === true;
  await hello([], "list");
  expect(isLeaf()).toBe(false);
  await hello([]);
  expect(isLeaf()).toBe(true);
  const told = [[0, node("a")]] as const;
  const beat = { nowMs: 1, streams: [], creditBytes: undefined, path: undefined, descendants: undefined };
  expect(namesInBeat({ ...beat, below: { portion: 1, told, gone: [], missing: undefined } })).toEqual(["a"]);
});
