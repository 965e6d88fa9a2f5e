// The database of a root that takes in what one device sends.
import { openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { createNodeOperations } from "#agent/store/node-operations.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeSegment, lossReasonCodes, segmentFlags, type LossReason } from "#shared/journal/segment.ts";
import type { WireSegment } from "#shared/link/frames.ts";

/** Streams 1 and 2 of device-1, with the number of the last message of each. */
const states = ["data", "alarms"].map((name, index) => ({
  origin: "device-1",
  epoch: 9,
  streamId: index + 1,
  name,
  priority: 2 as const,
  class: "custody" as const,
  order: "live-first" as const,
  policy: "oldest" as const,
  high: 100,
}));

export function openRoot() {
  const database = openDatabase(":memory:", { migrations: nodeMigrations, cacheBytes: 1_000_000 });
  const { writes, reads } = createNodeOperations(database, parseNodeName("cloud-1"), nodeHasher, { isFinal: true });
  writes.open({ fresh: { uuid: "u", epoch: 5, instance: 6 }, streams: [], nowMs: 1, idsAbove: 0 });
  const ingest = (...segments: readonly WireSegment[]) =>
    writes.ingest({ child: "device-1", nowMs: 1_000, batch: { streams: states, lows: [], segments } });
  return { database, reads, writes, ingest };
}

/** Messages of the stream from number `first` with these times. */
export function held(first: number, times: readonly number[], streamId = 1): WireSegment {
  const items = times.map((timeMs) => ({ timeMs, topic: "/data/x", payload: new Uint8Array(3), retain: false }));
  const body = encodeSegment(items);
  const [firstMs = 0, lastMs = 0] = [times[0], times.at(-1)];
  const place = { origin: "device-1", epoch: 9, streamId, first, items: times.length, firstMs, lastMs };
  return { ...place, flags: 0, crc: nodeHasher.crc32(body), body, gap: undefined };
}

/** Messages of the first stream that are lost. */
export function gap(first: number, last: number, times: readonly [number, number], reason: LossReason): WireSegment {
  const place = { origin: "device-1", epoch: 9, streamId: 1, first, items: last - first + 1 };
  const [firstMs, lastMs] = times;
  const lost = { reasonCode: lossReasonCodes[reason], bytes: 0 };
  return { ...place, firstMs, lastMs, flags: segmentFlags.gap, crc: 0, body: null, gap: lost };
}
