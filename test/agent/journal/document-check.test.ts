import { expect, test } from "vitest";
import { nameLostDocuments } from "#agent/journal/document-check.ts";
import { openNodeStoreInThread } from "#agent/store/node-store.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { isBalanced } from "#shared/journal/ledger.ts";
import { encodeSegment, lossReasonOf, segmentFlags } from "#shared/journal/segment.ts";
import type { DataHolding } from "#shared/system/document-store.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const stream = { origin: "device-1", epoch: 9, streamId: 1 };
const damaged = "documents.db.damaged-20260710T120000.000Z";

/** A root that has taken 1 to 30 of its child: 11 and 12 as a gap; all to 20 has left for the document store. */
async function root(name = "data") {
  const store = openNodeStoreInThread(
    { clock: new FakeClock(), hasher: nodeHasher },
    { name: parseNodeName("cloud-1"), file: ":memory:", maxBytes: 1e8, isFinal: true },
  );
  const fresh = { uuid: "u", epoch: 5, instance: 6 };
  await store.write("open", { fresh, streams: [], nowMs: 1, idsAbove: 0 });
  const traits = { priority: 2, class: "custody", order: "live-first", policy: "oldest" } as const;
  const segments = [segmentOf(1, 10), { ...segmentOf(11, 2), ...gap }, segmentOf(13, 8), segmentOf(21, 10)];
  const batch = { streams: [{ ...stream, ...traits, name, high: 30 }], lows: [], segments };
  await store.write("ingest", { child: "device-1", batch, nowMs: 1 });
  await store.write("forget", { acked: [{ ...stream, ranges: [[1, 20]] }] });
  const log = silentLogger();
  const check = (
    ranges: DataHolding["ranges"],
    of: string | undefined = damaged,
    state = { instance: 1, arrival: 0 },
  ) => {
    const { instance, arrival } = state;
    const reads = { holdings: () => holding(ranges), instance: async () => instance, lastArrival: async () => arrival };
    return nameLostDocuments({ store, documents: reads, log }, of === "" ? undefined : of);
  };
  const look = (ranges: DataHolding["ranges"], state: { readonly instance: number; readonly arrival: number }) =>
    check(ranges, "", state);
  const account = async () => {
    const [entry] = await store.read("accounting", { origin: "device-1" });
    if (entry === undefined || !isBalanced(entry.row)) throw new Error("the account does not balance");
    const { held, lost, delivered } = entry.row;
    return { held, lost, delivered, gaps: entry.gaps.map((one) => [one.first, one.last, one.reason]) };
  };
  return { store, check, look, account, log };
}

const gap = {
  flags: segmentFlags.gap,
  body: null,
  crc: 0,
  gap: { reasonCode: 1, bytes: 10 },
};

function segmentOf(first: number, items: number) {
  const body = encodeSegment(
    Array.from({ length: items }, () => ({ timeMs: 1, topic: "t", payload: new Uint8Array(1), retain: false })),
  );
  return {
    ...stream,
    first,
    items,
    firstMs: 1,
    lastMs: 1,
    flags: 0,
    crc: nodeHasher.crc32(body),
    body,
    gap: undefined,
  };
}

async function* holding(ranges: DataHolding["ranges"]): AsyncGenerator<DataHolding> {
  yield { origin: "device-1", epoch: 8, stream: "data", ranges: [[1, 99]] };
  if (ranges.length > 0) yield { origin: "device-1", epoch: 9, stream: "data", ranges };
}

test("[O3] what has left for the document store and is not there any more is named as lost", async () => {
  const { check, account } = await root();
  expect(await account()).toMatchObject({ held: 10, lost: 2, delivered: 18 });
  await check([
    [1, 4],
    [7, 10],
    [15, 18],
  ]);
  expect(await account()).toEqual({
    held: 10,
    lost: 8,
    delivered: 12,
    gaps: [
      [5, 6, "corrupt"],
      [11, 12, lossReasonOf(1)],
      [13, 14, "corrupt"],
      [19, 20, "corrupt"],
    ],
  });
});

test("a stream of which the store has nothing is lost as a whole, and a damaged file is looked at once", async () => {
  const { check, account } = await root();
  await check([[1, 20]]);
  expect(await account()).toMatchObject({ lost: 2, delivered: 18 });
  await check([]);
  expect(await account()).toMatchObject({ lost: 2, delivered: 18 });
  await check([], "documents.db.damaged-20260711T120000.000Z");
  expect(await account()).toMatchObject({ held: 10, lost: 20, delivered: 0 });
  await check([], "documents.db.damaged-20260712T120000.000Z");
  expect(await account()).toMatchObject({ held: 10, lost: 20, delivered: 0 });
});

test("[O1] a message that comes again after it was named is stored, and lost no more", async () => {
  const { store, check, account } = await root();
  await check([]);
  await store.write("ingest", {
    child: "device-1",
    batch: { streams: [], lows: [], segments: [segmentOf(1, 10)] },
    nowMs: 2,
  });
  expect(await account()).toMatchObject({ held: 20, lost: 10, delivered: 0 });
});

test("where nobody can tell what is lost, nothing is named: a stream without its name, and a root that had a parent", async () => {
  const nameless = await root("1");
  await nameless.check([]);
  expect(await nameless.account()).toMatchObject({ lost: 2, delivered: 18 });
  const former = await root();
  await former.store.write("meet", { parent: "cloud-0", instance: 1 });
  await former.check([]);
  expect(await former.account()).toMatchObject({ lost: 2, delivered: 18 });
});

const all: DataHolding["ranges"] = [[1, 20]];
const older: DataHolding["ranges"] = [[1, 8]];

test("[O3] a document store that was put back older is compared: what it lacks is named, once", async () => {
  const { store, look, account, log } = await root();
  await look(all, { instance: 7, arrival: 20_000 });
  await store.write("forget", { acked: [], arrival: 30_000 });
  await look(older, { instance: 7, arrival: 30_000 });
  expect(await account()).toMatchObject({ lost: 2, delivered: 18 });
  await look(older, { instance: 7, arrival: 29_999 });
  expect(await account()).toEqual({
    held: 10,
    lost: 12,
    delivered: 8,
    gaps: [
      [9, 10, "store-lost"],
      [11, 12, lossReasonOf(1)],
      [13, 20, "store-lost"],
    ],
  });
  expect(log.lines.map(({ phrase }) => phrase)).toEqual(["what the document store has lost is named"]);
  await look([], { instance: 7, arrival: 29_999 });
  expect(await account()).toMatchObject({ lost: 12, delivered: 8 });
});

test("[O3] another document store is compared, however far it goes, and so is the first one that is seen", async () => {
  const swapped = await root();
  await swapped.look(all, { instance: 7, arrival: 20_000 });
  await swapped.look(older, { instance: 8, arrival: 99_000 });
  expect(await swapped.account()).toMatchObject({ lost: 12, delivered: 8 });
  const first = await root();
  await first.look(older, { instance: 8, arrival: 99_000 });
  expect(await first.account()).toMatchObject({ lost: 12, delivered: 8 });
});
