// A parent whose ledger has no place for what a child names says so to the child, in the metrics and, now and then, in the log.
import { expect, onTestFinished, test } from "vitest";
import { treeAuthorizer } from "#agent/broker/authorize.ts";
import { startChildLinks } from "#agent/link/child-links.ts";
import { createOwnIdentity } from "#agent/link/own-identity.ts";
import { createTreeTime } from "#agent/link/tree-time.ts";
import { createPresence } from "#agent/presence/presence.ts";
import { openNodeStoreInThread } from "#agent/store/node-store.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { systemRandom } from "#agent/system/system-random.ts";
import { parseNodeName } from "#shared/ids.ts";
import type { StreamState } from "#shared/journal/stream.ts";
import { decodeFromParent, encodeHeartbeat, encodeHello, protocolVersion, type Refusal } from "#shared/link/hello.ts";
import { limits } from "#shared/limits.ts";
import { downFilter, upTopic } from "#shared/topics.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { MemoryBroker } from "../../fakes/memory-broker.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const name = parseNodeName("fog-1");
const child = parseNodeName("device-1");

function streamOf(epoch: number): StreamState {
  const traits = { priority: 2, class: "custody", order: "strict", policy: "oldest" } as const;
  return { origin: child, epoch, streamId: 1, name: "data", ...traits, high: 1 };
}

async function startParent() {
  const clock = new FakeClock();
  const log = silentLogger();
  const config = { name, file: ":memory:", maxBytes: 1e8, isFinal: false };
  const store = openNodeStoreInThread({ clock, hasher: nodeHasher }, config);
  const fresh = { uuid: "u", epoch: 5, instance: 6 };
  const opened = await store.write("open", { fresh, streams: [], nowMs: 1, idsAbove: 0 });
  const broker = new MemoryBroker({ clock, log }, { authorizer: treeAuthorizer });
  const tree = createPresence({ bus: broker, clock, log }, { name, level: "fog", url: undefined });
  const connections = { disconnect: () => undefined, isConnected: () => false };
  const deps = { bus: broker, ...connections, store, tree, time: createTreeTime(clock, true), clock, log };
  const own = createOwnIdentity({ store, tree, clock, random: systemRandom, log }, opened);
  const links = startChildLinks(deps, { name, identity: own });
  onTestFinished(async () => {
    const stopped = links[Symbol.asyncDispose]();
    await clock.advance(1_000);
    await stopped;
  });
  const answers: (Refusal | "welcome")[] = [];
  const control = await broker.connect(child);
  control.onMessage(({ topic, payload }) => {
    const answer = topic.endsWith("/h") ? decodeFromParent(payload) : undefined;
    if (answer === undefined || !("frame" in answer)) return;
    if ("refusal" in answer.frame) answers.push(answer.frame.refusal);
    if ("welcome" in answer.frame) answers.push("welcome");
  });
  await control.subscribe(downFilter(child));
  const send = async (payload: Uint8Array): Promise<void> => {
    await control.publish({ topic: upTopic(child, "h"), payload, qos: 0, retain: false });
    for (let round = 0; round < 50; round++) await clock.advance(0);
  };
  const hello = async (epoch: number): Promise<void> => {
    const place = { level: "device", zone: undefined, tags: [] } as const;
    const who = { version: protocolVersion, name: child, epoch, bootId: "b", uuid: "u", conn: epoch, place };
    await send(encodeHello({ ...who, streams: [streamOf(epoch)], lows: [], nowMs: 1, descendants: [] }));
  };
  return { clock, log, store, tree, links, answers, send, hello };
}

test("[O7] a child whose new epoch has no place is asked to come again, counted, and logged once a minute", async () => {
  const { clock, log, store, tree, links, answers, send, hello } = await startParent();
  const most = limits.openEpochsPerOrigin;
  const streams = Array.from({ length: most }, (_, index) => streamOf(index + 1));
  await store.write("hear", { child, streams, lows: [], nowMs: 1 });
  await hello(most + 1);
  expect(answers).toMatchObject([{ code: "busy", retryAfterMs: limits.noPlaceBackoffMs }]);
  expect(answers).toMatchObject([{ text: expect.stringContaining("1000 epochs that are not complete") }]);
  expect(tree.child(child)?.state).toBe("lost");
  await hello(most + 2);
  expect(links.stats().unplaced).toBe(2);
  const logged = () => log.lines.filter(({ phrase }) => phrase.startsWith("the ledger has no place"));
  expect(logged().length).toBe(1);
  await hello(1);
  expect(answers.at(-1)).toBe("welcome");
  const beat = { nowMs: 1, creditBytes: undefined, path: undefined, descendants: undefined };
  await clock.advance(60_000);
  await hello(1);
  await send(encodeHeartbeat({ ...beat, streams: [streamOf(most + 3)] }));
  await clock.advance(1_000); // a heartbeat is written down with the next lazy commit
  expect([links.stats().unplaced, logged().length]).toEqual([3, 2]);
});
