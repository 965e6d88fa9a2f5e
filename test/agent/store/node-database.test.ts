import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openNodeDatabase } from "#agent/store/node-database.ts";
import type { OwnStream } from "#agent/store/identity-operations.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import { limits } from "#shared/limits.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

const maxBytes = 6_000_000;
/** Of a budget this small, the reserve is at its least, and the log may have half of it. */
const walBytes = limits.diskReserveBytesMin / 2;
/** A page of the log has a head. */
const frameShare = 1.01;

test("[O7] file and log stay within the budget, the log's bound and one transaction, whatever is read meanwhile", () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-budget-"));
  const file = join(folder, "node.db");
  const name = parseNodeName("node-1");
  const clock = new FakeClock();
  const database = openNodeDatabase({ hasher: nodeHasher, clock }, { name, file, maxBytes, isFinal: false });
  try {
    const streams: readonly OwnStream[] = [
      { name: "data", priority: 2, class: "custody", order: "live-first", policy: "oldest" },
    ];
    const fresh = { uuid: "u", epoch: 5, instance: 6 };
    database.commit([{ name: "open", args: { fresh, streams, nowMs: 1, idsAbove: 0 } }]);
    let largest = 0;
    for (let turn = 1; turn <= 150; turn++) {
      const payload = new Uint8Array((turn * 7_919) % 200_000);
      const body = encodeSegment([{ timeMs: turn, topic: "t", payload, retain: false }]);
      const outcomes = database.commit([
        { name: "append", args: { streamId: 1, items: 1, firstMs: turn, lastMs: turn, body } },
      ]);
      expect(outcomes).toMatchObject([{ value: { first: turn } }]);
      // Reads that end before what they could have read: an open one would keep the log from being moved.
      database.read({ name: "after", args: { id: 0, bytesMax: 300_000 } });
      largest = Math.max(largest, sizeOf(file) + sizeOf(`${file}-wal`));
    }
    expect(largest).toBeGreaterThan(maxBytes * 0.8);
    // A transaction may write what comes, and what room was made for it: of 200 000 bytes, and a few pages of indexes.
    expect(largest).toBeLessThanOrEqual(maxBytes + (walBytes + 500_000) * frameShare);
  } finally {
    database.close();
    rmSync(folder, { recursive: true });
  }
});

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
