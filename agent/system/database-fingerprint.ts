// What the operating system tells of a database file and of its own start.
import { readFileSync, statSync } from "node:fs";
import type { Fingerprint } from "#shared/journal/fingerprint.ts";

const bootIdFile = "/proc/sys/kernel/random/boot_id";

/** Of an existing file. Linux has a boot id; elsewhere only the file counts. */
export function databaseFingerprint(file: string): Fingerprint {
  const { dev, ino, birthtimeNs, ctimeNs } = statSync(file, { bigint: true });
  // A file system without it answers 0, or the time of the last change.
  const hasBirth = birthtimeNs > 0n && birthtimeNs !== ctimeNs;
  return { bootId: bootId(), file: `${dev}:${ino}`, birth: hasBirth ? String(birthtimeNs) : undefined };
}

function bootId(): string | undefined {
  try {
    return readFileSync(bootIdFile, "utf8").trim();
  } catch {
    return undefined;
  }
}
