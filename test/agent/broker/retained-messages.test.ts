import { expect, test } from "vitest";
import { publicationOf, type Publication } from "#agent/broker/publication.ts";
import { RetainedMessages } from "#agent/broker/retained-messages.ts";
import { limits } from "#shared/limits.ts";
import { createMemorySessionStore } from "../../fakes/memory-session-store.ts";
import { Committer, messageOf, retain } from "../../fakes/session-store-scene.ts";

function publication(topic: string, payloadBytes: number, expiresAtMs = 0): Publication {
  return publicationOf({ topic, payload: new Uint8Array(payloadBytes).fill(1), qos: 1, expiresAtMs }, true);
}

const topicsOf = (retained: RetainedMessages, filter: string, nowMs = 0): readonly string[] =>
  [...retained.matching(filter, () => nowMs)].flatMap((found) => found?.topic ?? []);

test("the last message of a topic is kept, an empty one ends it [MQTT-3.3.1-5] [MQTT-3.3.1-6]", () => {
  const retained = new RetainedMessages();
  retained.set(publication("a/b", 10));
  retained.set(publication("a/b", 20));
  retained.set(publication("a/c", 5));
  expect([retained.size, topicsOf(retained, "a/+").toSorted()]).toEqual([2, ["a/b", "a/c"]]);
  expect([...retained.matching("a/b", () => 0)][0]?.payloadBytes).toBe(20);
  for (const topic of ["a/b", "a/c", "never"]) expect(retained.set(publication(topic, 0))).toBe(true);
  expect([retained.size, retained.bytes]).toEqual([0, 0]);
});

test("what it keeps has bytes of its own", () => {
  const retained = new RetainedMessages();
  const one = publication("a", 3);
  retained.set(one);
  one.source.fill(9);
  expect([...retained.matching("a", () => 0)].map((found) => [...(found?.payload ?? [])])).toEqual([[1, 1, 1]]);
});

test("what has expired is not handed out, and looked at when its turn comes", () => {
  const retained = new RetainedMessages();
  retained.set(publication("a", 1, 100));
  retained.set(publication("b", 1, 300));
  retained.set(publication("c", 1));
  expect(topicsOf(retained, "#", 100).toSorted()).toEqual(["b", "c"]);
  let nowMs = 0;
  const left = retained.matching("+", () => nowMs);
  left.next();
  nowMs = 1_000;
  expect([...left].map((found) => found?.topic)).toEqual(["c"]);
});

test("its bytes are bounded, and a value that has no room does not leave an old one behind [B2]", () => {
  const retained = new RetainedMessages();
  const large = limits.retainedBytes / 4;
  for (const topic of ["a", "b", "c"]) expect(retained.set(publication(topic, large))).toBe(true);
  expect(retained.set(publication("d", large))).toBe(false);
  expect(retained.set(publication("a", 2 * large))).toBe(false);
  expect(topicsOf(retained, "#").toSorted()).toEqual(["b", "c"]);
  expect(retained.bytes).toBeLessThanOrEqual(limits.retainedBytes);
  expect(retained.set(publication("d", large))).toBe(true);
});

test("topics of many levels cost what their levels take [B2]", () => {
  const retained = new RetainedMessages();
  const below = "/a".repeat(limits.topicLevels - 1);
  let kept = 0;
  while (kept < 2_000 && retained.set(publication(`${kept}${below}`, 1))) kept++;
  expect(kept * limits.topicLevels * 256).toBeLessThanOrEqual(limits.retainedBytes);
  for (let at = 0; at < 2_000; at++) retained.set(publication(`${at}${below}`, 0));
  expect([retained.size, retained.bytes]).toEqual([0, 0]);
});

test("as many as there may be of small ones with common levels find room", () => {
  const retained = new RetainedMessages();
  let kept = 0;
  for (let at = 0; at < limits.retainedMessages; at++)
    if (retained.set(publication(`site/floor/${at % 100}/device-${at}`, 20))) kept++;
  expect(kept).toBe(limits.retainedMessages);
  expect(retained.set(publication("one/more", 1))).toBe(false);
  expect(retained.set(publication("site/floor/0/device-0", 30))).toBe(true);
});

test("what is stored is read page by page", async () => {
  const store = createMemorySessionStore();
  const changes = Array.from({ length: 30 }, (_, at) => retain(`t/${at}`, 100_000));
  const [first] = changes;
  const expiring = [5, 6].map((expiresAtMs) => ({
    topic: `e/${expiresAtMs}`,
    message: { ...(first?.message ?? messageOf(1)), topic: `e/${expiresAtMs}`, expiresAtMs },
  }));
  await new Committer(store).commit({ retained: [...changes, ...expiring] });
  const retained = new RetainedMessages();
  const gone: string[] = [];
  await retained.load(store.reopen(), 5, (topic) => void gone.push(topic));
  expect([retained.size, retained.needsSweep, gone]).toEqual([31, true, ["e/5"]]);
});

test("[J-T8] [X12] what is stored about the state of a node is not that of its present life: it is forgotten", async () => {
  const store = createMemorySessionStore();
  const stale = ["presence/ghost", "uplink", "network", "node", "journal", "losses/c"].map((name) => `/level/${name}`);
  await new Committer(store).commit({ retained: [...stale, "/level/nodes", "a"].map((topic) => retain(topic, 1)) });
  const retained = new RetainedMessages();
  const gone: string[] = [];
  await retained.load(store.reopen(), 5, (topic) => void gone.push(topic));
  expect(gone.toSorted()).toEqual(stale.toSorted());
  expect(topicsOf(retained, "#").toSorted()).toEqual(["/level/nodes", "a"]);
});

test("what has expired is forgotten and told, a bounded number at a time, each in its turn [B2]", () => {
  const retained = new RetainedMessages();
  const gone: string[] = [];
  const sweep = (nowMs: number): void => retained.sweep(nowMs, (topic) => void gone.push(topic));
  for (let at = 0; at < 2_500; at++) retained.set(publication(`t/${at}`, 1, at % 2 === 0 ? 100 : 300));
  for (let at = 0; at < 10; at++) retained.set(publication(`k/${at}`, 1));
  retained.set(publication("t/0", 1)); // it does not expire any more
  retained.set(publication("t/2", 0));
  sweep(99);
  expect(gone).toEqual([]);
  const counts = [1, 2, 3].map(() => {
    sweep(100);
    return gone.length;
  });
  expect(counts[0]).toBeLessThanOrEqual(1_000);
  expect(counts[2]).toBe(1_248);
  expect(new Set(gone).size).toBe(1_248);
  expect([retained.size, retained.needsSweep]).toEqual([2_510 - 1_249, true]);
  for (let round = 0; round < 2; round++) sweep(300);
  expect([retained.size, retained.needsSweep]).toEqual([11, false]);
  sweep(1_000);
  expect(gone).toHaveLength(2_498);
  for (const topic of topicsOf(retained, "#")) retained.set(publication(topic, 0));
  expect([retained.size, retained.bytes]).toEqual([0, 0]);
});
