// `fogbank journal ls`: the streams of a data directory, and what of them is stored in it.
import type { DatabaseSync } from "node:sqlite";
import type { AccountingReport } from "#shared/reports.ts";
import { createNodeApi } from "../client/node-api.ts";
import type { CliIo } from "./io.ts";
import { type JournalOptions, NodeIsRunning, openForReading, reading } from "./journal-database.ts";
import { formatBytes, formatTime } from "./quantities.ts";
import { renderTable } from "./render-table.ts";
import { httpOfConfig } from "./status.ts";
import { textStyleOf } from "./text-style.ts";

export interface ListOptions extends JournalOptions {
  readonly http: string;
  readonly json?: true;
}

/** What a running node does not tell is absent. */
interface StreamLine {
  readonly origin: string;
  readonly epoch: number;
  readonly stream: string;
  readonly priority?: number;
  readonly order?: "strict" | "live-first";
  readonly held: number;
  readonly heldBytes: number;
  readonly segments?: number;
  readonly oldest?: string;
  readonly newest?: string;
  readonly delivered: number;
  readonly lost: number;
  readonly next: number;
}

export async function listJournal(io: CliIo, origin: string | undefined, options: ListOptions): Promise<void> {
  const lines = await linesOf(io, origin, options);
  if (options.json) return io.stdout(`${JSON.stringify(lines)}\n`);
  const titles = [
    { title: "ORIGIN" },
    { title: "EPOCH" },
    { title: "STREAM" },
    { title: "PRIORITY" },
    { title: "ORDER" },
    { title: "HELD", align: "right" },
    { title: "BYTES", align: "right" },
    { title: "SEGMENTS", align: "right" },
    { title: "DELIVERED", align: "right" },
    { title: "LOST", align: "right" },
    { title: "OLDEST" },
    { title: "NEWEST" },
  ] as const;
  io.stdout(renderTable(titles, lines.map(cellsOf), textStyleOf(io)));
}

async function linesOf(io: CliIo, origin: string | undefined, options: ListOptions): Promise<readonly StreamLine[]> {
  try {
    using database = openForReading(io, options);
    return reading("list the streams", () => storedLines(database, origin));
  } catch (error) {
    if (!(error instanceof NodeIsRunning)) throw error;
  }
  const url = options.config === undefined ? options.http : httpOfConfig(io, options.config);
  const entries = await createNodeApi(io.clock, url).accounting(origin === undefined ? {} : { origin }, io.signal);
  return entries.map(reportedLine);
}

function storedLines(database: DatabaseSync, origin: string | undefined): readonly StreamLine[] {
  const columns = database.prepare("SELECT name FROM pragma_table_info('stream')").all();
  const order = columns.some(({ name }) => name === "strict_order") ? "s.strict_order" : "NULL";
  const rows = database.prepare(
    `SELECT o.node AS origin, o.epoch AS epoch, s.name AS stream, s.priority AS priority, ${order} AS isStrict, s.held AS held,
       s.held_bytes AS heldBytes, s.delivered AS delivered, s.lost AS lost, s.high AS high,
       COUNT(g.id) AS segments, MIN(g.first_ms) AS oldestMs, MAX(g.last_ms) AS newestMs
     FROM stream s JOIN origin o ON o.id = s.origin
       LEFT JOIN segment g ON g.origin = s.origin AND g.stream = s.stream AND g.flags & 1 = 0
     WHERE ?1 IS NULL OR o.node = ?1 GROUP BY s.origin, s.stream ORDER BY o.node, o.epoch, s.stream`,
  );
  return rows.all(origin ?? null).map((row) => ({
    origin: String(row["origin"]),
    epoch: Number(row["epoch"]),
    stream: String(row["stream"]),
    priority: Number(row["priority"]),
    ...(row["isStrict"] === null ? {} : { order: row["isStrict"] === 0 ? "live-first" : "strict" }),
    held: Number(row["held"]),
    heldBytes: Number(row["heldBytes"]),
    segments: Number(row["segments"]),
    ...(row["oldestMs"] === null ? {} : { oldest: iso(row["oldestMs"]), newest: iso(row["newestMs"]) }),
    delivered: Number(row["delivered"]),
    lost: Number(row["lost"]),
    next: Number(row["high"]) + 1,
  }));
}

function reportedLine(entry: AccountingReport): StreamLine {
  const { origin, epoch, stream, here, hereBytes, stored, lost, next } = entry;
  return { origin, epoch, stream, held: here, heldBytes: hereBytes, delivered: stored, lost, next };
}

function cellsOf(line: StreamLine) {
  const { origin, epoch, stream, priority, order = "", held, heldBytes, segments, oldest, newest } = line;
  const texts = [
    origin,
    String(epoch),
    stream,
    priority === undefined ? "" : `P${priority}`,
    order,
    String(held),
    formatBytes(heldBytes),
    String(segments ?? ""),
    String(line.delivered),
    String(line.lost),
    oldest === undefined ? "" : formatTime(oldest),
    newest === undefined ? "" : formatTime(newest),
  ];
  return texts.map((text, at) => ({ text, ...(at === 9 && line.lost > 0 ? { paint: "bad" as const } : {}) }));
}

function iso(ms: unknown): string {
  return new Date(Number(ms)).toISOString();
}
