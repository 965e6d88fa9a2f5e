// Programs of Debian's packages without installing them: fetched and unpacked into a folder, without root.
import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const fetchMsMax = 120_000;

/**
 * Unpacks `packages`, and no others that they need, into `<folder>/root`, and answers that. With package lists of its own where the
 * system has none: a private state of apt needs no root. Rejects when they cannot be fetched.
 */
export async function fetchDebianPackages(folder: string, packages: readonly string[]): Promise<string> {
  const unpacked = join(folder, "root");
  const state = join(folder, "apt");
  for (const part of ["lists/partial", "cache/archives/partial"]) mkdirSync(join(state, part), { recursive: true });
  writeFileSync(join(state, "status"), "");
  mkdirSync(unpacked, { recursive: true });
  const own = [
    `Dir::State=${state}`,
    `Dir::State::Lists=${state}/lists`,
    `Dir::State::status=${state}/status`,
    `Dir::Cache=${state}/cache`,
    "APT::Sandbox::User=",
    "Acquire::Languages=none",
  ].flatMap((option) => ["-o", option]);
  const options = { cwd: folder, timeout: fetchMsMax };
  await run("apt-get", ["download", ...packages], options).catch(async () => {
    await run("apt-get", [...own, "update"], options);
    await run("apt-get", [...own, "download", ...packages], options);
  });
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".deb"))) await unpack(folder, file, unpacked);
  return unpacked;
}

/** A .deb is an `ar` archive with a tar in it: nothing but tar is needed. */
async function unpack(folder: string, file: string, into: string): Promise<void> {
  const archive = readFileSync(join(folder, file));
  for (let at = 8; at + 60 <= archive.length;) {
    const name = archive
      .toString("latin1", at, at + 16)
      .trim()
      .replace(/\/$/, "");
    const size = Number(archive.toString("latin1", at + 48, at + 58));
    const body = archive.subarray(at + 60, at + 60 + size);
    at += 60 + size + (size % 2);
    if (!name.startsWith("data.tar")) continue;
    const data = join(folder, `${file}.${name}`);
    writeFileSync(data, body);
    await run("tar", ["-x", "-f", data, "-C", into]);
    return;
  }
  throw new Error(`${file} holds no data.tar`);
}
