// What is downloaded: a .tar.xz with the executable, its licences and the unit of systemd, and the checksums of all files.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface ArchivePlan {
  /** Empty: what goes into the archive is laid out there. */
  readonly folder: string;
  readonly executable: string;
  readonly licence: string;
  readonly notices: string;
  /** Text of the unit: who installs by hand needs it beside the executable. */
  readonly unit: string;
  /** Of all files in it. */
  readonly modifiedAtSeconds: number;
}

/** Answers its file, beside the executable. The same bytes for the same files. */
export async function makeArchive(plan: ArchivePlan): Promise<string> {
  const name = basename(plan.executable);
  const inside = join(plan.folder, name);
  mkdirSync(inside);
  copyFileSync(plan.executable, join(inside, "fogbank"));
  chmodSync(join(inside, "fogbank"), 0o755);
  writeFileSync(join(inside, "LICENSE"), plan.licence, { mode: 0o644 });
  writeFileSync(join(inside, "NOTICES"), plan.notices, { mode: 0o644 });
  writeFileSync(join(inside, "fogbank.service"), plan.unit, { mode: 0o644 });
  const output = `${plan.executable}.tar.xz`;
  const files = ["--create", "--file", output, "--directory", plan.folder];
  // One thread: with more of them xz cuts the file into blocks, and the bytes depend on their size.
  const compression = ["--use-compress-program", "xz -6 -T1"];
  const owner = ["--owner=0", "--group=0", "--numeric-owner"];
  const sameForAll = ["--sort=name", "--format=gnu", ...owner, `--mtime=@${plan.modifiedAtSeconds}`];
  const args = [...files, ...compression, ...sameForAll, name];
  await run("tar", args);
  return output;
}

/** Of every `fogbank-…` file in the folder, as `sha256sum --check` reads it. */
export function writeChecksums(folder: string): void {
  const lines = readdirSync(folder)
    .filter((name) => name.startsWith("fogbank-"))
    .toSorted()
    .map((name) => `${sha256(join(folder, name))}  ${name}\n`);
  writeFileSync(join(folder, "SHA256SUMS"), lines.join(""));
}

function sha256(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
