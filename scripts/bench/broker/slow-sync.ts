// A disk that is slower than this machine's: a library that sleeps before every sync, compiled here for the process to be measured.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { NotSupported } from "../mqtt-socket.ts";

const source = fileURLToPath(new URL("./slow-sync.c", import.meta.url));

/** The environment in which each fsync and fdatasync takes `delayMs` longer. Rejects with NotSupported without a C compiler. */
export async function slowSyncEnvironment(folder: string, delayMs: number): Promise<Readonly<Record<string, string>>> {
  const library = join(folder, "slow-sync.so");
  try {
    await promisify(execFile)("cc", ["-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"]);
  } catch (error) {
    throw new NotSupported("slow syncs need a C compiler that is called cc", { cause: error });
  }
  return { LD_PRELOAD: library, SLOW_SYNC_MS: String(delayMs) };
}
