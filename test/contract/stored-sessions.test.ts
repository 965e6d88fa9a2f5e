import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { inMemory } from "#agent/store/database.ts";
import { openNodeStore, openNodeStoreInThread, type NodeStore } from "#agent/store/node-store.ts";
import type { QueueBound } from "#agent/store/queue-repository.ts";
import type { EncodedBatch } from "#agent/store/session-repository.ts";
import { storedSessions } from "#agent/store/stored-sessions.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { systemClock } from "#agent/system/system-clock.ts";
import { parseNodeName } from "#shared/ids.ts";
import { SpoolBuilder } from "#shared/mqtt/spool.ts";
import type { SessionStore } from "#shared/system/session-store.ts";
import { Committer, messageOf, progress, put, spoolsOf, type SessionStoreWorld } from "../fakes/session-store-scene.ts";
import { testSessionStore } from "./session-store-contract.ts";
import { testSessionStoreWithModel } from "./session-store-model-contract.ts";

const config = { name: parseNodeName("fog-1"), maxBytes: 1e9, isFinal: false };

function worldOn(file: string, queueBound: QueueBound): SessionStoreWorld {
  const node = openNodeStoreInThread({ clock: systemClock, hasher: nodeHasher }, { ...config, file, queueBound });
  let fails = false;
  // A row that the database refuses, after everything else of the batch.
  const broken = ({ retained, ...rest }: EncodedBatch) => ({
    ...rest,
    retained: [...retained, { topic: null, message: new Uint8Array(1) }],
  });
  const failing: NodeStore = {
    ...node,
    contribute(contributor) {
      node.contribute(() =>
        contributor().map((write) => {
          if (!fails) return write;
          fails = false;
          return { ...write, args: broken(write.args as EncodedBatch) };
        }),
      );
    },
  };
  return {
    store: storedSessions(failing),
    failNext() {
      fails = true;
    },
    usedBytes: async () => (await node.read("usage", {})).usedBytes,
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  };
}

function inFolder(open: (file: string) => SessionStoreWorld): SessionStoreWorld {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-sessions-"));
  const again = (): SessionStoreWorld => {
    const world = open(join(folder, "node.db"));
    return {
      ...world,
      async reopen() {
        await world[Symbol.asyncDispose]();
        return again();
      },
      async [Symbol.asyncDispose]() {
        await world[Symbol.asyncDispose]();
        rmSync(folder, { recursive: true });
      },
    };
  };
  return again();
}

testSessionStore("sqlite in memory", async (bound) => worldOn(inMemory, bound));
testSessionStore("sqlite in a file", async (bound) => inFolder((file) => worldOn(file, bound)));
testSessionStoreWithModel("sqlite in a file", async (bound) => inFolder((file) => worldOn(file, bound)));

/** Opens the store in its thread. */
async function inThread(
  maxBytes: number,
  use: (store: SessionStore, commit: Committer["commit"]) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-sessions-"));
  const onCrash = (error: unknown): void => {
    throw error;
  };
  try {
    const file = join(folder, "node.db");
    await using node = await openNodeStore({ clock: systemClock, onCrash }, { ...config, file, maxBytes });
    const store = storedSessions(node);
    const committer = new Committer(store);
    await use(store, (batch) => committer.commit(batch));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("bodies are moved to the store's thread, and a retained message leaves the buffer under it alone", () =>
  inThread(1e8, async (store, commit) => {
    const network = new Uint8Array(65_536).fill(7);
    const builder = new SpoolBuilder();
    builder.add({ ...messageOf(0), payload: network.subarray(10, 20) });
    builder.enqueue(1, 1, 1, false, [], 0);
    const spools = builder.finish();
    const retained = [{ topic: "a/b", message: { ...messageOf(0), payload: network.subarray(30, 35) } }];
    expect(await commit({ changes: [put(1)], spools, retained })).toMatchObject({ queuedMessages: 1, queuedBytes: 13 });
    expect(spools[0]?.body.length).toBe(0);
    expect(network.length).toBe(65_536);
    const sevens = (length: number) => ({ ...messageOf(0), payload: new Uint8Array(length).fill(7) });
    expect(await store.retained("", 1e6)).toEqual([{ topic: "a/b", message: sevens(5) }]);
    expect(await store.queue(1, 1, 1e6)).toMatchObject([{ number: 1, message: sevens(10) }]);
  }));

test("a full file refuses messages, takes what clients confirm, and then takes messages again", () =>
  inThread(2_000_000, async (store, commit) => {
    await commit({ changes: [put(1)] });
    const large = { payloadBytes: 100_000 };
    let stored = 0;
    const failure = await (async () => {
      for (; stored < 100; stored++) await commit({ spools: spoolsOf(1, stored + 1, 1, large) });
    })().catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "FOGBANK_STORE_FULL" });
    expect(stored).toBeGreaterThan(10);
    const retained = [{ topic: "a", message: messageOf(1) }];
    await expect(commit({ retained })).rejects.toMatchObject({ code: "FOGBANK_STORE_FULL" });
    const changes = [progress(1, { cursor: stored, sent: stored })];
    const released = await commit({ changes, retained: [{ topic: "a", message: null }] });
    expect(released).toEqual({ dropped: [], queuedMessages: 0, queuedBytes: 0 });
    const again = await commit({ spools: spoolsOf(1, stored + 1, 1, large), retained });
    expect(again).toMatchObject({ queuedMessages: 1 });
    expect(await store.queue(1, 1, 1)).toMatchObject([{ number: stored + 1 }]);
  }));

test("a file that is full of what only an absent session's small messages hold gets room again by itself", () =>
  inThread(8_000_000, async (store, commit) => {
    await commit({ changes: [put(1), put(2)] });
    const mixed = (number: number) => {
      const builder = new SpoolBuilder();
      builder.add(messageOf(3));
      for (const session of [1, 2]) builder.enqueue(session, 2 * number - 1, 1, false, [], 0);
      builder.add(messageOf(20_000));
      builder.enqueue(1, 2 * number, 1, false, [], 0);
      return builder.finish();
    };
    let stored = 0;
    const failure = await (async () => {
      for (; stored < 1_000; stored++) await commit({ spools: mixed(stored + 1) });
    })().catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "FOGBANK_STORE_FULL" });
    expect(stored).toBeGreaterThan(200);
    await commit({ changes: [progress(1, { cursor: 2 * stored, sent: 2 * stored })] });
    for (let round = stored + 1; round <= stored + 200; round++) {
      await commit({ changes: [progress(1, { cursor: 2 * round - 2, sent: 2 * round - 2 })], spools: mixed(round) });
    }
    expect(await store.queue(2, 1, 1e9)).toHaveLength(stored + 200);
  }));
