// The files around a salvage, so that a crash at any moment leaves a database that the next open finishes with:
//
//   fogbank.db-damaged           a mark: the damage showed while the database was in use
//   fogbank.db-salvage           being written; thrown away by the next salvage
//   fogbank.db-salvaged          complete, about to take the place of the damaged one
//   fogbank.db.damaged-<stamp>   the damaged one, with its -wal and -shm, kept for whoever wants to look
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

const sidecars = ["-wal", "-shm"];
/** Damaged files that are kept, and how many when the disk has no room for two more. */
const keptMax = 10;
const keptMaxWhenShort = 2;

export function salvageFileOf(file: string): string {
  return `${file}-salvage`;
}

/** Makes the next open of `file` salvage it. `reason`: what showed the damage. */
export function markDamaged(file: string, reason: string): void {
  writeFileSync(markOf(file), `${reason}\n`, { flush: true });
  syncFolder(file);
}

/** Why the file was marked, or undefined when it is not. */
export function damageMark(file: string): string | undefined {
  return existsSync(markOf(file)) ? readFileSync(markOf(file), "utf8").trim() : undefined;
}

/** The finished salvage file, closed and synced, takes the place of `file`. Answers where the damaged one is now. */
export function replaceDamaged(file: string, nowMs: number): string {
  // Its log is empty: looking at it has left them.
  for (const suffix of sidecars) rmSync(salvageFileOf(file) + suffix, { force: true });
  renameSync(salvageFileOf(file), finishedOf(file));
  syncFolder(file);
  return finishReplacement(file, nowMs) ?? file;
}

/** Goes on where a crash has interrupted `replaceDamaged`. Answers where the damaged file is, or undefined: there was nothing to do. */
export function finishReplacement(file: string, nowMs: number): string | undefined {
  const finished = finishedOf(file);
  if (!existsSync(finished)) return undefined;
  const quarantined = `${file}.damaged-${stampOf(nowMs)}`;
  // The log first: it must not be taken for that of the file which comes into its place.
  for (const suffix of [...sidecars, ""]) {
    if (existsSync(file + suffix)) renameSync(file + suffix, quarantined + suffix);
  }
  syncFolder(file);
  renameSync(finished, file);
  rmSync(markOf(file), { force: true });
  syncFolder(file);
  return quarantined;
}

/** Removes the oldest damaged files; `room` for one more among those that are kept. */
export function pruneDamaged(file: string, room: 0 | 1): void {
  const { bavail, bsize } = statfsSync(dirname(file));
  const isShort = bavail * bsize < 2 * (statSync(file, { throwIfNoEntry: false })?.size ?? 0);
  for (const old of damagedFiles(file).slice((isShort ? keptMaxWhenShort : keptMax) - room)) {
    for (const suffix of ["", ...sidecars]) rmSync(old + suffix, { force: true });
  }
}

export function removeSalvageFile(file: string): void {
  for (const suffix of ["", ...sidecars, "-journal"]) rmSync(salvageFileOf(file) + suffix, { force: true });
}

/** Name of the newest damaged file that was put aside for `file`. */
export function newestDamaged(file: string): string | undefined {
  const [newest] = damagedFiles(file);
  return newest && basename(newest);
}

/** Newest first. */
function damagedFiles(file: string): readonly string[] {
  const pattern = /^\d{8}T\d{6}(\.\d{3})?Z$/;
  const prefix = `${basename(file)}.damaged-`;
  return readdirSync(dirname(file))
    .filter((name) => name.startsWith(prefix) && pattern.test(name.slice(prefix.length)))
    .toSorted()
    .toReversed()
    .map((name) => join(dirname(file), name));
}

function markOf(file: string): string {
  return `${file}-damaged`;
}

function finishedOf(file: string): string {
  return `${file}-salvaged`;
}

/** With milliseconds: two salvages in one second keep both files. */
function stampOf(nowMs: number): string {
  return new Date(nowMs).toISOString().replaceAll(/[-:]/g, "");
}

/** Renames last only once the folder is synced. */
function syncFolder(file: string): void {
  const folder = openSync(dirname(file), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
