// Node with the blob in it.
import { execFile } from "node:child_process";
import { chmodSync, copyFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const resourceName = "NODE_SEA_BLOB";
/** Node looks for this text in itself, to know whether it is a single executable. */
const sentinelFuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

export interface ExecutablePlan {
  readonly base: string;
  readonly blob: string;
  readonly output: string;
  /** The program that takes the symbols out; without it they stay in. */
  readonly strip: string | undefined;
}

export async function makeExecutable({ base, blob, output, strip }: ExecutablePlan): Promise<void> {
  copyFileSync(base, output);
  chmodSync(output, 0o755);
  // Before the blob goes in: afterwards strip says that all is well, and leaves a file that dies at once.
  if (strip !== undefined) await run(strip, ["--strip-unneeded", output]);
  const postject = fileURLToPath(import.meta.resolve("postject/dist/cli.js"));
  // In a process of its own: it takes a few times the size of the file in memory.
  await run(process.execPath, [postject, output, resourceName, blob, "--sentinel-fuse", sentinelFuse]);
}
