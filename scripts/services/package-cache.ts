// Programs of Debian's packages, fetched once and kept for all checkouts: in $XDG_CACHE_HOME/fogbank, or ~/.cache/fogbank.
// apt checks every package against the signed lists of the archive; the cache writes down what was unpacked, and every use compares it:
// a file that somebody or the disk has changed since then is fetched anew.
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { fetchDebianPackages } from "./debian-packages.ts";

const sumsFile = "sha256sums";

export function cacheFolder(): string {
  const base = process.env["XDG_CACHE_HOME"] ?? "";
  return join(base === "" ? join(homedir(), ".cache") : base, "fogbank");
}

/**
 * The folder under which `files` of `packages` lie. `prepare` may change what has just been unpacked. Rejects when it is not there and
 * cannot be fetched, or when the packages do not hold one of `files`.
 */
export async function cachedPackages(
  name: string,
  packages: readonly string[],
  files: readonly string[],
  prepare: (unpacked: string) => void = () => undefined,
): Promise<string> {
  const kept = join(cacheFolder(), name);
  if (isWhole(kept, files)) return join(kept, "root");
  mkdirSync(cacheFolder(), { recursive: true });
  const own = mkdtempSync(`${kept}-`);
  try {
    const unpacked = await fetchDebianPackages(own, packages);
    prepare(unpacked);
    // What was fetched is as large again as what is used of it.
    for (const rest of readdirSync(own).filter((entry) => entry !== basename(unpacked))) {
      rmSync(join(own, rest), { recursive: true, force: true });
    }
    const missing = files.filter((file) => !existsSync(join(unpacked, file)));
    if (missing.length > 0) throw new Error(`${packages.join(", ")}: no ${missing.join(", ")} in these packages`);
    writeFileSync(join(own, sumsFile), files.map((file) => `${sha256(join(unpacked, file))}  ${file}\n`).join(""));
    replace(own, kept, files);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
  return join(kept, "root");
}

/** Another process may have put the same there meanwhile: that is as good, and may be in use. */
function replace(own: string, kept: string, files: readonly string[]): void {
  if (isWhole(kept, files)) return;
  rmSync(kept, { recursive: true, force: true });
  try {
    renameSync(own, kept);
  } catch (error) {
    if (!isWhole(kept, files)) throw error;
  }
}

/** Whether every one of `files` is as it was unpacked. */
function isWhole(kept: string, files: readonly string[]): boolean {
  const sums = join(kept, sumsFile);
  if (!existsSync(sums)) return false;
  const lines = readFileSync(sums, "utf8").split("\n");
  return files.every((file) => {
    const path = join(kept, "root", file);
    return existsSync(path) && lines.includes(`${sha256(path)}  ${file}`);
  });
}

function sha256(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
