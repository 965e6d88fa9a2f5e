// A damaged database file: what can be read of it goes into a new one, which takes its place; the damaged one is put aside.
//
//   copy the rows --> bring the schema up --> repair what they mean --> sync --> change places
//
// Knows files and transactions; the pages are read by `salvage-copy.ts`, what rows mean is told by the options.
import { closeSync, fsyncSync, openSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { FogbankError } from "#shared/errors.ts";
import type { Clock } from "#shared/system/clock.ts";
import { type CopyOutcome, type CopyRules, copyTables } from "./salvage-copy.ts";
import { pruneDamaged, removeSalvageFile, replaceDamaged, salvageFileOf } from "./salvage-files.ts";
import { DamagedPages } from "./salvage-pages.ts";
import { TreeReader } from "./salvage-tree.ts";
import { type Schema, versionLike } from "./schema-check.ts";

export interface SalvageReport {
  readonly file: string;
  /** Where the damaged file is now. */
  readonly quarantined: string;
  /** What showed the damage. */
  readonly reason: string;
  /** Rows taken over, by table. */
  readonly rows: Readonly<Record<string, number>>;
  /** Tables that have lost something, or may have. */
  readonly damagedTables: readonly string[];
  /** Pages that are not there or make no sense, and rows that cannot be read; and readable rows that were not to be trusted. */
  readonly faults: number;
  readonly refusedRows: number;
  /** What `repair` has said. */
  readonly repair: object;
}

export interface SalvageOptions {
  readonly clock: Pick<Clock, "now">;
  /** Small tables, read through at every open of a file that is too large to be checked whole. */
  readonly checkedTables: readonly string[];
  readonly rules: CopyRules;
  /** Makes the rows that are left agree with each other, inside a transaction; the schema is the newest. Answers what to report. */
  repair?(database: DatabaseSync, copied: CopyOutcome): object;
  /** Told after the new file has taken its place. */
  onSalvaged(report: SalvageReport): void;
}

/** Opens or creates a database with the first `version` migrations applied; `pageBytes`: of a page of a new one. */
export type OpenVersion = (file: string, version: number, pageBytes?: number) => DatabaseSync;

/**
 * Replaces `file`, which nobody has open. `schemas`: before the first migration, and after each. Throws FOGBANK_STORE_CORRUPT, nothing changed, when
 * there is no room for a second file.
 */
export function salvageDatabase(
  file: string,
  reason: string,
  options: SalvageOptions,
  open: OpenVersion,
  schemas: readonly Schema[],
): void {
  const newest = schemas.length - 1;
  pruneDamaged(file, 1);
  let copied: CopyOutcome;
  let repaired: object;
  try {
    refuseWhileBusy(file, open);
    removeSalvageFile(file);
    copied = copyInto(file, options, open, schemas);
    repaired = repairIn(salvageFileOf(file), options, open, newest, copied);
  } catch (error) {
    if (error instanceof FogbankError && error.code === "FOGBANK_DATA_DIR") throw error;
    tidyUp(file);
    throw new FogbankError(
      "FOGBANK_STORE_CORRUPT",
      `${file} is damaged (${reason}), and what is readable could not be written to a new file beside it (${textOf(error)}). The damaged file is as it was: make room for a second one, or move it away with its -wal and -shm files to start anew`,
      { cause: error },
    );
  }
  const quarantined = replaceDamaged(file, options.clock.now());
  pruneDamaged(file, 0);
  options.onSalvaged({
    file,
    quarantined,
    reason,
    rows: Object.fromEntries(copied.rows),
    damagedTables: [...copied.damaged],
    faults: copied.faults,
    refusedRows: copied.refused,
    repair: repaired,
  });
}

/** What stands in the way of the salvage may stand in the way of this too: the next one tries again. */
function tidyUp(file: string): void {
  try {
    removeSalvageFile(file);
  } catch {
    // The error that led here says more.
  }
}

/** A salvage file that is locked belongs to another process that salvages just now. */
function refuseWhileBusy(file: string, open: OpenVersion): void {
  try {
    open(salvageFileOf(file), 0).close();
  } catch (error) {
    // Anything else is a leftover, which is removed.
    if (error instanceof FogbankError && error.code === "FOGBANK_DATA_DIR" && error.message.includes("another process"))
      throw error;
  }
}

function copyInto(file: string, { rules }: SalvageOptions, open: OpenVersion, schemas: readonly Schema[]): CopyOutcome {
  using pages = new DamagedPages(file);
  // With pages of the same size: where a tree begins that nothing leads to is guessed from where it does in the new file.
  const database = open(salvageFileOf(file), versionOf(pages, schemas), pages.pageBytes);
  try {
    relax(database);
    return copyTables(pages, database, rules);
  } finally {
    database.close();
  }
}

function repairIn(
  file: string,
  options: SalvageOptions,
  open: OpenVersion,
  newest: number,
  copied: CopyOutcome,
): object {
  const database = open(file, newest);
  let report: object;
  try {
    relax(database);
    database.exec("BEGIN");
    report = options.repair?.(database, copied) ?? {};
    database.exec("COMMIT");
    database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
  } finally {
    database.close();
  }
  const descriptor = openSync(file, "r+");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  return report;
}

/** The file is synced once, at its end, and counts only from then on; rows may come before those that they refer to. */
function relax(database: DatabaseSync): void {
  database.exec("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF;");
}

/** How many migrations the damaged file has seen: what its schema looks like says that better than a number which may be damaged. */
function versionOf(pages: DamagedPages, schemas: readonly Schema[]): number {
  const entries = [...new TreeReader(pages).rows(1, "table")].map(({ values: [type, name, owner, , sql] }) => ({
    type,
    name,
    owner,
    sql,
  }));
  const head = pages.page(1);
  return (
    versionLike(entries, schemas, head === undefined ? 0 : new DataView(head.buffer).getUint32(60)) ??
    schemas.length - 1
  );
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
