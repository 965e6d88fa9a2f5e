// `fogbank journal export`: the messages that a data directory holds, as JSON lines or as a CBOR sequence (RFC 8742).
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { encodeCbor } from "#shared/cbor.ts";
import { FogbankError } from "#shared/errors.ts";
import { decodeSegment, type Item } from "#shared/journal/segment.ts";
import { payloadOf } from "../http/routes.ts";
import { CommandFailure } from "./action.ts";
import type { CliIo } from "./io.ts";
import { type JournalOptions, openForReading, readFailure, reading } from "./journal-database.ts";
import { breathe, showProgress } from "./journal-progress.ts";

export interface ExportOptions extends JournalOptions {
  readonly format: "json" | "cbor";
  readonly output: string;
  /** Milliseconds since 1970: from `from` up to but not including `to`. */
  readonly from?: number;
  readonly to?: number;
}

/** Where one message comes from. */
interface Place {
  readonly origin: string;
  readonly epoch: number;
  readonly stream: string;
  readonly seq: number;
}

interface Target {
  write(bytes: Uint8Array): Promise<void>;
  /** `isWhole`: everything has been written. */
  close(isWhole: boolean): void;
}

export async function exportJournal(
  io: CliIo,
  origin: string | undefined,
  stream: string | undefined,
  options: ExportOptions,
): Promise<void> {
  using database = openForReading(io, options);
  const target = targetOf(io, options.output);
  let isWhole = false;
  try {
    const unreadable = await exportRows(io, database, [origin, stream], options, target);
    isWhole = true;
    if (unreadable > 0) {
      throw new CommandFailure(
        "FOGBANK_STORE_CORRUPT",
        `${unreadable} messages cannot be read and are not in the export: \`fogbank journal verify\` names them`,
      );
    }
  } finally {
    target.close(isWhole);
  }
}

/** Answers how many messages could not be read. */
async function exportRows(
  io: CliIo,
  database: DatabaseSync,
  [origin, stream]: readonly [string | undefined, string | undefined],
  { format, from = 0, to = Number.MAX_SAFE_INTEGER }: ExportOptions,
  target: Target,
): Promise<number> {
  const source = `FROM segment g JOIN origin o ON o.id = g.origin JOIN stream s ON s.origin = g.origin AND s.stream = g.stream
    WHERE g.flags & 1 = 0 AND (?1 IS NULL OR o.node = ?1) AND (?2 IS NULL OR s.name = ?2) 
      AND MAX(g.first_ms, g.last_ms) >= ?3 AND MIN(g.first_ms, g.last_ms) < ?4`;
  const filter = [origin ?? null, stream ?? null, from, to] as const;
  const encode = format === "json" ? jsonLine : cborItem;
  const counted = reading("count the messages", () =>
    database.prepare(`SELECT COALESCE(SUM(g.items), 0) AS total ${source}`).get(...filter),
  );
  const progress = showProgress(io, "export", Number(counted?.["total"]), "messages");
  let unreadable = 0;
  try {
    const rows = database.prepare(
      `SELECT o.node AS origin, o.epoch AS epoch, s.name AS stream, g.first AS first, g.items AS items, g.body AS body
       ${source} ORDER BY g.origin, g.stream, g.first`,
    );
    for (const row of rows.iterate(...filter)) {
      const [first, count] = [Number(row["first"]), Number(row["items"])];
      const items = row["body"] instanceof Uint8Array ? decodeSegment(row["body"], count) : undefined;
      if (items === undefined) unreadable += count;
      const named = { origin: String(row["origin"]), epoch: Number(row["epoch"]), stream: String(row["stream"]) };
      const parts = (items ?? []).flatMap((item, index) =>
        item.timeMs < from || item.timeMs >= to ? [] : [encode({ ...named, seq: first + index }, item)],
      );
      if (parts.length > 0) await target.write(Buffer.concat(parts));
      progress.advance(count);
      await breathe(io);
    }
  } catch (error) {
    throw readFailure("read the journal", error);
  } finally {
    progress.end();
  }
  return unreadable;
}

function jsonLine(place: Place, { timeMs, topic, payload }: Item): Uint8Array {
  const line = { ...place, time: new Date(timeMs).toISOString(), topic, ...payloadOf(payload) };
  return Buffer.from(`${JSON.stringify(line)}\n`);
}

/** The same as a map; the time in milliseconds since 1970, the payload as bytes. */
function cborItem({ origin, epoch, stream, seq }: Place, { timeMs, topic, payload }: Item): Uint8Array {
  return encodeCbor({ origin, epoch, stream, seq: BigInt(seq), timeMs: BigInt(timeMs), topic, payload });
}

function targetOf(io: CliIo, output: string): Target {
  if (output === "-") return { write: (bytes) => io.write(bytes), close: () => undefined };
  let descriptor: number;
  try {
    descriptor = openSync(output, "wx");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FogbankError("FOGBANK_USAGE", `cannot write a new file at ${output}: ${reason}`, { cause });
  }
  return {
    async write(bytes) {
      for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
    },
    close(isWhole) {
      closeSync(descriptor);
      if (!isWhole) rmSync(output, { force: true });
    },
  };
}
