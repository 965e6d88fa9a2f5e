// `fogbank journal drop-epoch`: forgets an old life of an origin's database, once nothing of it is stored here any more;
// of a node that is gone also the last one.
import type { DatabaseSync } from "node:sqlite";
import { FogbankError } from "#shared/errors.ts";
import { lossReasonCodes, segmentFlags } from "#shared/journal/segment.ts";
import { ClosedStreams } from "../store/closed-streams.ts";
import type { CliIo } from "./io.ts";
import { type JournalOptions, openForWriting, reading } from "./journal-database.ts";
import { linesOf } from "./lines.ts";

export interface DropOptions extends JournalOptions {
  readonly force?: true;
  readonly yes?: true;
}

interface EpochState {
  readonly id: number;
  readonly streams: number;
  readonly delivered: number;
  readonly lost: number;
  readonly held: number;
  /** Gaps that have not been handed on yet. */
  readonly gaps: number;
}

const answerBytesMax = 1_000;

export async function dropEpoch(io: CliIo, origin: string, epoch: number, options: DropOptions): Promise<void> {
  using database = openForWriting(io, options);
  const title = `epoch ${epoch} of ${origin}`;
  const state = reading(`look up ${title}`, () => stateOf(database, origin, epoch));
  const isLast = isLastHeardOf(database, origin, epoch);
  if (nodeFact(database, "name") === origin && Number(nodeFact(database, "epoch")) === epoch) {
    throw refused(`${title} is the current one of this node: only older ones can be forgotten`);
  }
  if (isLast && options.force === undefined) {
    throw refused(
      `${title} is the current one, as far as this node has heard: give --force if ${origin} is gone for good and will never send again`,
    );
  }
  const isDiscard = state.held > 0;
  if (isDiscard && options.force === undefined) {
    throw refused(
      `${title} still holds ${state.held} messages that have not been handed on: start the node and let it drain, or give --force to throw them away and name them as lost`,
    );
  }
  if (!isDiscard && state.gaps > 0) {
    throw refused(
      `${title} still holds ${state.gaps} gaps that have not been handed on: start the node and let it drain`,
    );
  }
  const what = isDiscard
    ? `Throw away ${state.held} messages of ${title}, and name them as lost?`
    : `Forget ${title}: ${state.streams} streams, ${state.delivered} messages delivered, ${state.lost} lost?`;
  const warning = isLast ? `${origin} must be gone for good: this is the last epoch it was heard of with. ` : "";
  await confirm(io, `${warning}${what}`, options);
  reading(`drop ${title}`, () => inTransaction(database, () => (isDiscard ? discard : forget)(database, state.id)));
  io.stdout(
    isDiscard
      ? `${state.held} messages of ${title} are named as lost: once the node has handed that on, drop the epoch again to forget it\n`
      : `forgot ${title}\n`,
  );
}

function stateOf(database: DatabaseSync, origin: string, epoch: number): EpochState {
  const id = database.prepare("SELECT id FROM origin WHERE node = ? AND epoch = ?").get(origin, epoch)?.["id"];
  if (typeof id !== "number") {
    throw refused(`nothing is known of epoch ${epoch} of ${origin}: see \`fogbank journal ls ${origin}\``);
  }
  const sums = database
    .prepare(
      "SELECT COUNT(*) AS streams, TOTAL(delivered) AS delivered, TOTAL(lost) AS lost, TOTAL(held) AS held FROM stream WHERE origin = ?",
    )
    .get(id);
  const gaps = database.prepare("SELECT COUNT(*) AS count FROM segment WHERE origin = ? AND body IS NULL").get(id);
  return {
    id,
    streams: Number(sums?.["streams"]),
    delivered: Number(sums?.["delivered"]),
    lost: Number(sums?.["lost"]),
    held: Number(sums?.["held"]),
    gaps: Number(gaps?.["count"]),
  };
}

/** What the node whose directory this is knows of itself. */
function nodeFact(database: DatabaseSync, key: "name" | "epoch"): unknown {
  return database.prepare("SELECT value FROM meta WHERE key = ?").get(key)?.["value"];
}

function isLastHeardOf(database: DatabaseSync, origin: string, epoch: number): boolean {
  if (nodeFact(database, "name") === origin) return false;
  return database
    .prepare(
      `SELECT o.epoch AS epoch FROM origin o JOIN stream s ON s.origin = o.id WHERE o.node = ?1 AND s.heard_ms =
         (SELECT MAX(s2.heard_ms) FROM stream s2 JOIN origin o2 ON o2.id = s2.origin WHERE o2.node = ?1)`,
    )
    .all(origin)
    .some((row) => Number(row["epoch"]) === epoch);
}

/** Of another node what had come is remembered: those below may name the epoch again. */
function forget(database: DatabaseSync, id: number): void {
  const closed = new ClosedStreams(database);
  const node = database.prepare("SELECT node FROM origin WHERE id = ?").get(id)?.["node"];
  if (node === nodeFact(database, "name")) closed.forget(id);
  else closed.close(id);
}

/** Every segment becomes a gap in its place, which travels up like any other. */
function discard(database: DatabaseSync, id: number): void {
  const reason = lossReasonCodes.rejected;
  database
    .prepare(
      `INSERT OR REPLACE INTO gap(origin, stream, first, last, reason, bytes, first_ms, last_ms)
       SELECT origin, stream, first, first + items - 1, ?, LENGTH(body), first_ms, last_ms FROM segment
       WHERE origin = ? AND body IS NOT NULL`,
    )
    .run(reason, id);
  database
    .prepare(
      `UPDATE segment SET flags = ?, crc = 0, gap_reason = ?, gap_bytes = LENGTH(body), body = NULL
       WHERE origin = ? AND body IS NOT NULL`,
    )
    .run(segmentFlags.gap, reason, id);
  database.prepare("UPDATE stream SET lost = lost + held, held = 0, held_bytes = 0 WHERE origin = ?").run(id);
}

function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    work();
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

async function confirm(io: CliIo, question: string, { yes }: DropOptions): Promise<void> {
  if (yes) return;
  const isAtTerminal = io.askSecret !== undefined;
  if (!isAtTerminal) throw refused(`${question} Give --yes: there is no terminal to ask at`);
  io.stderr(`${question} Type yes: `);
  for await (const line of linesOf(io.stdin, answerBytesMax, io.signal)) {
    if (new TextDecoder().decode(line).trim() === "yes") return;
    break;
  }
  throw refused("nothing was changed");
}

function refused(message: string): FogbankError {
  return new FogbankError("FOGBANK_USAGE", message);
}
