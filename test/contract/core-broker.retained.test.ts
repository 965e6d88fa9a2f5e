// Retained messages whose expiry has passed leave the store as well.
import { expect, test } from "vitest";
import { CoreBench } from "../fakes/core-bench.ts";
import { createMemorySessionStore, type MemorySessionStore } from "../fakes/memory-session-store.ts";
import { Committer, retain } from "../fakes/session-store-scene.ts";

async function topicsOf(store: MemorySessionStore): Promise<readonly string[]> {
  return (await store.retained("", 1e9)).map(({ topic }) => topic);
}

test("a retained message that expires is deleted from the store, without any client", async () => {
  const store = createMemorySessionStore();
  await using bench = await CoreBench.start({ store });
  const publisher = await bench.client("publisher", 5);
  for (const [topic, seconds] of [
    ["short", 10],
    ["long", 1_000],
  ] as const) {
    const packet = { topic, payload: Buffer.from("x"), qos: 1, messageId: 1, dup: false, retain: true } as const;
    await publisher.sendPacket({ cmd: "publish", ...packet, properties: { messageExpiryInterval: seconds } });
    await publisher.answer("puback");
  }
  await publisher.disconnect();
  expect(await topicsOf(store)).toEqual(["long", "short"]);
  await bench.clock.advance(11_000);
  await expect.poll(() => topicsOf(store)).toEqual(["long"]);
  expect(bench.broker.stats().retained).toBe(1);
});

test("one that has expired while the node was down is deleted when it starts", async () => {
  const store = createMemorySessionStore();
  const old = retain("old", 3);
  const expired = { topic: "old", message: old.message === null ? null : { ...old.message, expiresAtMs: 5 } };
  await new Committer(store).commit({ retained: [expired, retain("kept", 3)] });
  const opened = store.reopen();
  await using bench = await CoreBench.start({ store: opened });
  expect(bench.broker.stats().retained).toBe(1);
  await expect.poll(() => topicsOf(opened)).toEqual(["kept"]);
});
