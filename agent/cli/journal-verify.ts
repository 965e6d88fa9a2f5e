// `fogbank journal verify`: reads everything again that the journal has stored, and says what of it is damaged.
import type { DatabaseSync } from "node:sqlite";
import { countIntervals, highestOf, missingFrom } from "#shared/journal/interval-set.ts";
import { decodeSegment, segmentFlags } from "#shared/journal/segment.ts";
import { rangesIn } from "../store/salvage-rows.ts";
import { nodeHasher } from "../system/node-hasher.ts";
import { exitWith } from "./action.ts";
import type { CliIo } from "./io.ts";
import { type JournalOptions, openForReading } from "./journal-database.ts";
import { breathe, showProgress } from "./journal-progress.ts";

type Row = Readonly<Record<string, unknown>>;

const faultsShown = 100;
const rowsPerBreath = 200;

export async function verifyJournal(io: CliIo, options: JournalOptions): Promise<void> {
  using database = openForReading(io, options);
  const faults: string[] = [];
  const checked = await checkSegments(io, database, faults);
  attempt(faults, "the ledger cannot be read", () => checkLedger(database, faults));
  attempt(faults, "the database cannot be checked", () => {
    for (const row of database.prepare(`PRAGMA integrity_check(${faultsShown})`).all()) {
      if (row["integrity_check"] !== "ok") faults.push(`database: ${String(row["integrity_check"])}`);
    }
  });
  for (const fault of faults.slice(0, faultsShown)) io.stdout(`${fault}\n`);
  if (faults.length > faultsShown) io.stdout(`and ${faults.length - faultsShown} more\n`);
  const { segments, messages } = checked;
  if (faults.length === 0) return io.stdout(`${segments} segments with ${messages} messages are as they were stored\n`);
  io.stdout(`${faults.length} faults; the node replaces a damaged database when it starts\n`);
  exitWith(1);
}

async function checkSegments(
  io: CliIo,
  database: DatabaseSync,
  faults: string[],
): Promise<{ readonly segments: number; readonly messages: number }> {
  const progress = showProgress(io, "verify", total(database), "messages");
  let segments = 0;
  let messages = 0;
  let newest = 0;
  try {
    const rows = database.prepare(
      `SELECT g.*, o.node AS node, o.epoch AS epoch, s.name AS name FROM segment g LEFT JOIN origin o ON o.id = g.origin
         LEFT JOIN stream s ON s.origin = g.origin AND s.stream = g.stream ORDER BY g.id`,
    );
    for (const row of rows.iterate()) {
      newest = Number(row["id"]);
      const fault = segmentFault(row);
      if (fault !== undefined) faults.push(`${titleOf(row)}: ${fault}`);
      segments++;
      if (row["body"] !== null) messages += Number(row["items"]);
      progress.advance(Number(row["items"]));
      if (segments % rowsPerBreath === 0) await breathe(io);
    }
  } catch (error) {
    if (!isSqliteError(error)) throw error;
    faults.push(`segments behind ${newest} cannot be read: ${error.message}`);
  } finally {
    progress.end();
  }
  return { segments, messages };
}

function segmentFault(row: Row): string | undefined {
  const { node, name, body, crc } = row;
  const [flags, items] = [Number(row["flags"]), Number(row["items"])];
  if (node === null) return "its origin is not known";
  if (name === null) return "its stream is not known";
  const isGap = (flags & segmentFlags.gap) !== 0;
  if (!(body instanceof Uint8Array)) return isGap ? undefined : "it has no body";
  if (isGap) return "it is a gap and has a body";
  if (nodeHasher.crc32(body) !== crc) return "the checksum of its body is another one";
  if ((flags & segmentFlags.deflate) === 0 && decodeSegment(body, items) === undefined)
    return `its body does not hold ${items} messages`;
  return undefined;
}

function checkLedger(database: DatabaseSync, faults: string[]): void {
  const rows = database.prepare(
    `SELECT s.*, o.node AS node, o.epoch AS epoch,
       (SELECT COALESCE(SUM(items), 0) FROM segment g WHERE g.origin = s.origin AND g.stream = s.stream AND g.flags & 1 = 0) AS stored
     FROM stream s LEFT JOIN origin o ON o.id = s.origin`,
  );
  for (const row of rows.iterate()) {
    const title = `${String(row["node"])}/${String(row["name"])} (epoch ${String(row["epoch"])})`;
    const ranges = row["ranges"] instanceof Uint8Array ? rangesIn(row["ranges"]) : undefined;
    const [high, delivered, lost, held] = [row["high"], row["delivered"], row["lost"], row["held"]].map(Number);
    if (ranges === undefined || high === undefined) {
      faults.push(`${title}: its ranges cannot be read`);
      continue;
    }
    const missing = high === 0 ? 0 : countIntervals(missingFrom(ranges, 1, high));
    if (Number(row["stored"]) !== held)
      faults.push(`${title}: ${String(held)} held, but ${String(row["stored"])} stored`);
    if (highestOf(ranges) > high || Number(delivered) + Number(lost) + Number(held) + missing !== high) {
      faults.push(
        `${title}: ${delivered} delivered + ${lost} lost + ${held} held + ${missing} missing is not ${high}, the highest number`,
      );
    }
  }
}

function total(database: DatabaseSync): number {
  try {
    return Number(database.prepare("SELECT COALESCE(SUM(held), 0) AS total FROM stream").get()?.["total"]);
  } catch {
    return 0; // unreadable: `checkLedger` says so
  }
}

function attempt(faults: string[], what: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!isSqliteError(error)) throw error;
    faults.push(`${what}: ${error.message}`);
  }
}

function isSqliteError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR";
}

function titleOf(row: Row): string {
  const [first, last] = [Number(row["first"]), Number(row["first"]) + Number(row["items"]) - 1];
  return `${String(row["node"])}/${String(row["name"])} (epoch ${String(row["epoch"])}) ${first}-${last}`;
}
