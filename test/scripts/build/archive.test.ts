import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { makeArchive, writeChecksums } from "../../../scripts/build/archive.ts";

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-archive-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Made in a folder of its own, from files with times of their own. */
async function archiveOf(text: string, touchedAt: Date): Promise<string> {
  const folder = temporaryFolder();
  const executable = join(folder, "fogbank-1.0.0-linux-x64");
  writeFileSync(executable, text);
  utimesSync(executable, touchedAt, touchedAt);
  mkdirSync(join(folder, "inside"));
  const texts = { licence: "L", notices: "N", unit: "U" };
  return makeArchive({ folder: join(folder, "inside"), executable, ...texts, modifiedAtSeconds: 1_000_000 });
}

test("the archive has the executable, its licences and the unit in one folder, and is the same bytes for the same files", async () => {
  const archive = await archiveOf("program", new Date(0));
  const listed = execFileSync("tar", ["--list", "--file", archive], { encoding: "utf8" });
  const folder = "fogbank-1.0.0-linux-x64";
  expect(listed.trim().split("\n")).toEqual([
    `${folder}/`,
    `${folder}/LICENSE`,
    `${folder}/NOTICES`,
    `${folder}/fogbank`,
    `${folder}/fogbank.service`,
  ]);
  expect(readFileSync(await archiveOf("program", new Date())).equals(readFileSync(archive))).toBe(true);
  expect(readFileSync(await archiveOf("another", new Date(0))).equals(readFileSync(archive))).toBe(false);
});

test("the checksums are those that sha256sum checks", () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "fogbank-1.0.0-linux-x64"), "program");
  writeFileSync(join(folder, "else"), "not ours");
  writeChecksums(folder);
  const check = (): string =>
    execFileSync("sha256sum", ["--check", "SHA256SUMS"], { cwd: folder, encoding: "utf8", stdio: "pipe" });
  expect(check()).toBe("fogbank-1.0.0-linux-x64: OK\n");
  writeFileSync(join(folder, "fogbank-1.0.0-linux-x64"), "changed");
  expect(check).toThrow();
});
