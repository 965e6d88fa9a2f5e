import { createMemorySessionStore, type MemorySessionStore } from "../fakes/memory-session-store.ts";
import type { SessionStoreWorld } from "../fakes/session-store-scene.ts";
import { testSessionStore } from "./session-store-contract.ts";
import { testSessionStoreWithModel } from "./session-store-model-contract.ts";

testSessionStore("memory", async (bound) => worldOf(createMemorySessionStore(bound)));
testSessionStoreWithModel("memory", async (bound) => worldOf(createMemorySessionStore(bound)));

function worldOf(store: MemorySessionStore): SessionStoreWorld {
  return {
    store,
    reopen: async () => worldOf(store.reopen()),
    failNext: () => store.failNext(),
    usedBytes: async () => store.spoolBytes(),
    async [Symbol.asyncDispose]() {},
  };
}
