// A database of an earlier version has one row a message: they become blocks, some at a time, before anything else happens. A crash in
// between repeats at most one portion, which changes nothing.
import { SegmentBuilder } from "#shared/journal/segment.ts";
import type { DataBlock, DocumentStore } from "#shared/system/document-store.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { SqlDatabase, SqlRow } from "#shared/system/sql-database.ts";
import { bytesOf, numberOf, textOf } from "./sql-values.ts";

/** Rows in memory at once, and the bytes of payload after which no further one is read. */
const rowsPerPortion = 2_000;
const bytesPerPortion = 4 * 1024 * 1024;

const selectRows = `
  SELECT * FROM (
    SELECT *, sum(length(payload)) OVER (ORDER BY arrival) - length(payload) AS before FROM (
      SELECT arrival, origin, epoch, stream, seq, time_ms, topic, payload FROM data ORDER BY arrival LIMIT ${rowsPerPortion}
    )
  ) WHERE before < ${bytesPerPortion} ORDER BY arrival`;

/** Afterwards the table `data` is empty. Rejects with what the database rejects; calling it again goes on. */
export async function takeOverRows(database: SqlDatabase, documents: DocumentStore, log: Logger): Promise<void> {
  let messages = 0;
  for (;;) {
    const rows = await database.query(selectRows, []);
    const last = rows.at(-1);
    if (last === undefined) break;
    if (messages === 0) log.info({}, "stored messages are being taken over into blocks: the first start takes longer");
    await documents.insertBlocks(blocksOf(rows));
    messages += rows.length;
    const sql = "DELETE FROM data WHERE arrival <= ?";
    await database.transact([{ sql, params: [[numberOf(last, "arrival")]] }]);
  }
  if (messages > 0) log.info({ messages }, "stored messages taken over");
}

/** Neighbours by number and by arrival together. */
function blocksOf(rows: readonly SqlRow[]): readonly DataBlock[] {
  const blocks: DataBlock[] = [];
  let builder = new SegmentBuilder();
  let head: SqlRow | undefined;
  const finish = (): void => {
    if (head === undefined) return;
    const identity = { origin: textOf(head, "origin"), epoch: numberOf(head, "epoch"), stream: textOf(head, "stream") };
    const place = { first: numberOf(head, "seq"), arrival: numberOf(head, "arrival"), flags: 0 };
    blocks.push({ ...identity, ...place, ...builder.finish() });
    builder = new SegmentBuilder();
  };
  for (const row of rows) {
    const item = {
      timeMs: numberOf(row, "time_ms"),
      topic: textOf(row, "topic"),
      payload: bytesOf(row, "payload"),
      retain: false,
    };
    if (
      head === undefined ||
      !goesOn(head, builder.items, row) ||
      !builder.hasRoomFor(item.topic, item.payload.length)
    ) {
      finish();
      head = row;
    }
    builder.add(item);
  }
  finish();
  return blocks;
}

function goesOn(head: SqlRow, items: number, row: SqlRow): boolean {
  return (
    head["origin"] === row["origin"] &&
    head["epoch"] === row["epoch"] &&
    head["stream"] === row["stream"] &&
    numberOf(head, "seq") + items === row["seq"] &&
    numberOf(head, "arrival") + items === row["arrival"]
  );
}
