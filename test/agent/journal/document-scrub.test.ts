import { expect, test } from "vitest";
import { startDocumentScrub } from "#agent/journal/document-scrub.ts";
import { openNodeStoreInThread } from "#agent/store/node-store.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { FogbankError } from "#shared/errors.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import type { CheckedBlocks } from "#shared/system/document-store.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const pauseMs = 10_000;
const block = { origin: "cloud-1", epoch: 5, stream: "data", first: 4, items: 3, arrival: 1027 };

/** A root whose ten messages are all in the document store. */
async function world(check: (after: number) => CheckedBlocks) {
  const clock = new FakeClock();
  const log = silentLogger();
  const config = { name: parseNodeName("cloud-1"), file: ":memory:", maxBytes: 1e8, isFinal: true };
  const store = openNodeStoreInThread({ clock, hasher: nodeHasher }, config);
  const traits = { priority: 2, class: "custody", order: "live-first", policy: "oldest" } as const;
  const fresh = { uuid: "u", epoch: 5, instance: 6 };
  await store.write("open", { fresh, streams: [{ name: "data", ...traits }], nowMs: 1, idsAbove: 0 });
  const items = Array.from({ length: 10 }, () => ({
    timeMs: 1,
    topic: "t",
    payload: new Uint8Array(1),
    retain: false,
  }));
  await store.write("append", { streamId: 1, items: 10, firstMs: 1, lastMs: 1, body: encodeSegment(items) });
  await store.write("forget", { acked: [{ origin: "cloud-1", epoch: 5, streamId: 1, ranges: [[1, 10]] }] });
  const asked: number[] = [];
  const discarded: number[] = [];
  let listener: () => void = () => undefined;
  const documents = {
    onDamaged(heard: () => void) {
      listener = heard;
      return { [Symbol.dispose]: () => void (listener = () => undefined) };
    },
    async checkBlocks(after: number) {
      asked.push(after);
      return check(after);
    },
    async discardBlock(arrival: number) {
      discarded.push(arrival);
    },
  };
  const account = async () => {
    const [entry] = await store.read("accounting", {});
    return { delivered: entry?.row.delivered, lost: entry?.row.lost, gaps: entry?.gaps };
  };
  const meet = (): void => listener();
  return { meet, deps: { store, documents, clock, log }, clock, log, asked, discarded, account };
}

test("[O3] a damaged block is named as corrupt, removed and logged; the check goes round", async () => {
  const { deps, clock, log, asked, discarded, account } = await world((after) => {
    if (after === 0) return { damaged: [], next: 1024 };
    return { damaged: after === 1024 ? [block] : [], next: after < 2048 ? after + 1024 : undefined };
  });
  await using _ = startDocumentScrub(deps);
  await clock.advance(pauseMs);
  expect(discarded).toEqual([]);
  await clock.advance(pauseMs);
  expect(discarded).toEqual([1027]);
  expect(await account()).toEqual({ delivered: 7, lost: 3, gaps: [{ first: 4, last: 6, reason: "corrupt" }] });
  expect(log.lines.map(({ phrase }) => phrase)).toEqual(["stored messages are damaged: they are named as lost"]);
  await clock.advance(3_600_000 + 2 * pauseMs);
  expect(asked.slice(0, 3)).toEqual([0, 1024, 2048]);
  expect(asked.slice(3)).toContain(0);
});

test("what cannot be named stays, and a store that is away is tried again", async () => {
  let isAway = true;
  const { deps, clock, log, asked, discarded, account } = await world(() => {
    if (isAway) throw new FogbankError("FOGBANK_STORE_FAILED", "away");
    return { damaged: [{ ...block, epoch: 77 }], next: undefined };
  });
  await using _ = startDocumentScrub(deps);
  await clock.advance(3 * pauseMs);
  isAway = false;
  await clock.advance(pauseMs);
  expect(asked.length).toBeGreaterThan(2);
  expect(discarded).toEqual([]);
  expect(await account()).toMatchObject({ delivered: 10, lost: 0 });
  expect(log.lines.map(({ phrase }) => phrase)).toEqual(["documents cannot be checked"]);
});

test("what a reader has met is named at once, also when it comes while others are named", async () => {
  let isMet = false;
  const later = { ...block, first: 8, items: 1, arrival: 1031 };
  const { deps, meet, clock, discarded } = await world(() => {
    if (discarded.length > 0) return { damaged: [later], next: undefined };
    if (isMet) meet();
    return { damaged: isMet ? [block] : [], next: undefined };
  });
  await using _ = startDocumentScrub(deps);
  await clock.advance(0);
  expect(discarded).toEqual([]);
  isMet = true;
  meet();
  await clock.advance(0);
  expect(discarded).toEqual([1027, 1031]);
});
