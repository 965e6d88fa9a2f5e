import { expect, test } from "vitest";
import { lastSegmentId, meetDocuments, unlessAway } from "#agent/journal/absent-documents.ts";
import { openNodeStoreInThread } from "#agent/store/node-store.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { FogbankError } from "#shared/errors.ts";
import { parseNodeName } from "#shared/ids.ts";
import type { DocumentStore } from "#shared/system/document-store.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { documentAt, insert } from "../../fakes/made-documents.ts";
import { createMemoryDocumentStore } from "../../fakes/memory-document-store.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const away = new FogbankError("FOGBANK_STORE_AWAY", "nobody answers");
const nowMs = 1_800_000_000_000;

test("segments are numbered behind what the documents have, and behind what they can have while they are away", async () => {
  expect(await lastSegmentId({ lastArrival: async () => 5 * 1_024 + 7 }, nowMs)).toBe(5);
  expect(await lastSegmentId({ lastArrival: () => Promise.reject(away) }, nowMs)).toBe(nowMs);
  const foreign = new FogbankError("FOGBANK_STORE_FOREIGN", "of another node");
  await expect(lastSegmentId({ lastArrival: () => Promise.reject(foreign) }, nowMs)).rejects.toBe(foreign);
});

/** A journal that was begun while its documents, which have five messages, were away. */
async function begunWithout() {
  const clock = new FakeClock();
  const log = silentLogger();
  const name = parseNodeName("cloud-1");
  const place = { name, file: ":memory:", maxBytes: 1e8, isFinal: true };
  const store = openNodeStoreInThread({ clock, hasher: nodeHasher }, place);
  const opened = await store.write("open", {
    fresh: { uuid: "u", epoch: 5, instance: 6 },
    streams: [],
    nowMs,
    idsAbove: nowMs,
    hasDocuments: true,
  });
  const memory = createMemoryDocumentStore();
  await insert(
    memory,
    [1, 2, 3, 4, 5].map((arrival) => documentAt(arrival)),
  );
  let isAway = true;
  const documents: DocumentStore = {
    ...memory,
    lastArrival: () => (isAway ? Promise.reject(away) : memory.lastArrival()),
  };
  const come = (): void => void (isAway = false);
  return { deps: { store, documents, clock, log }, opened, come, memory };
}

test("[O2] what the documents have is taken over when they come, and is not lost", async () => {
  const { deps, opened, come } = await begunWithout();
  const meet = meetDocuments(deps, { ...opened, damaged: undefined });
  await expect(meet()).rejects.toBe(away);
  come();
  await meet();
  await meet();
  expect(await deps.store.read("accounting", {})).toMatchObject([
    { row: { origin: "plant-1", delivered: 5, lost: 0 } },
  ]);
});

test("documents that have numbers which the journal would give again are not written to", async () => {
  const { deps, opened, come, memory } = await begunWithout();
  await insert(memory, [documentAt((nowMs + 1) * 1_024)]);
  come();
  const meet = meetDocuments(deps, { ...opened, damaged: undefined });
  await expect(meet()).rejects.toMatchObject({ code: "FOGBANK_STORE_FOREIGN" });
  await expect(meet()).rejects.toMatchObject({ code: "FOGBANK_STORE_FOREIGN" });
});

test("an absence is logged, and anything else thrown on", () => {
  const log = silentLogger();
  unlessAway(log)(away);
  expect(log.lines).toMatchObject([{ level: "warn" }]);
  expect(() => unlessAway(log)(new Error("a bug"))).toThrow("a bug");
});
