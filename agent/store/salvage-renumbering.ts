// A salvage that meets a database on its way from one epoch to another (see epochs.ts): the other epoch has ended as well now, and what
// is left of the first one goes to the epoch that the next open begins.
import type { DatabaseSync } from "node:sqlite";
import { contiguousEnd, missingFrom } from "#shared/journal/interval-set.ts";
import { lossReasonCodes } from "#shared/journal/segment.ts";
import { IdentityRepository } from "./identity-repository.ts";
import { LossRepository } from "./loss-repository.ts";
import { unionOf } from "./salvage-ledger.ts";
import { SegmentIds } from "./segment-ids.ts";
import { StreamRepository } from "./stream-repository.ts";

/** Names the numbers that were set aside and not used yet; `Epochs.resume` sets others aside. */
export function redirectRenumbering(database: DatabaseSync): void {
  const identity = new IdentityRepository(database);
  if (identity.counter("renumber-from") === 0) return;
  const streams = new StreamRepository(database);
  const losses = new LossRepository(database, streams, new SegmentIds(database));
  const rows = database
    .prepare(
      `SELECT s.origin AS origin, s.stream AS stream FROM stream s JOIN origin o ON o.id = s.origin
       WHERE o.epoch = ? AND o.node = (SELECT value FROM meta WHERE key = 'name')`,
    )
    .all(identity.counter("renumber-to"));
  for (const { origin, stream } of rows) {
    const key = { origin: Number(origin), stream: Number(stream) };
    const row = streams.find(key);
    const reserved = identity.counter(`renumber-${key.stream}`);
    if (row === undefined || reserved === 0) continue;
    const unused = missingFrom(row.ranges, contiguousEnd(row.ranges) + 1, Math.min(reserved, row.high));
    streams.change(key, { ranges: unionOf([...row.ranges, ...unused]) });
    for (const [first, last] of unused) {
      const loss = { first, last, reasonCode: lossReasonCodes.renumbered, bytes: 0, firstMs: 0, lastMs: 0 };
      losses.add(key, row.priority, loss);
    }
  }
  database.exec("DELETE FROM meta WHERE key LIKE 'renumber-%' AND key <> 'renumber-from'");
}
