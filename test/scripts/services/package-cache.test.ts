// The cache of packages: what was changed since it was unpacked is not used.
import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { cachedPackages } from "../../../scripts/services/package-cache.ts";

/** An apt-get that makes a package with usr/share/x/file in it, and counts how often it was asked. */
function withOwnApt(): { readonly downloads: () => number; readonly cache: string } {
  const made = mkdtempSync(join(tmpdir(), "fogbank-cache-"));
  const before = { PATH: process.env["PATH"], XDG_CACHE_HOME: process.env["XDG_CACHE_HOME"] };
  onTestFinished(() => {
    Object.assign(process.env, { PATH: before.PATH });
    if (before.XDG_CACHE_HOME === undefined) delete process.env["XDG_CACHE_HOME"];
    else process.env["XDG_CACHE_HOME"] = before.XDG_CACHE_HOME;
    rmSync(made, { recursive: true, force: true });
  });
  mkdirSync(join(made, "tree/usr/share/x"), { recursive: true });
  writeFileSync(join(made, "tree/usr/share/x/file"), "content");
  execFileSync("tar", ["-c", "-f", join(made, "data.tar"), "-C", join(made, "tree"), "."]);
  const data = readFileSync(join(made, "data.tar"));
  const head = `${"data.tar".padEnd(16)}${"0".padEnd(32)}${String(data.length).padEnd(10)}\`\n`;
  writeFileSync(join(made, "x.deb"), Buffer.concat([Buffer.from(`!<arch>\n${head}`), data]));
  mkdirSync(join(made, "bin"));
  writeFileSync(join(made, "bin/apt-get"), `#!/bin/sh\necho >> ${made}/asked\ncp ${made}/x.deb .\n`, { mode: 0o755 });
  process.env["PATH"] = `${join(made, "bin")}${delimiter}${before.PATH ?? ""}`;
  process.env["XDG_CACHE_HOME"] = join(made, "cache");
  return { downloads: () => readFileSync(join(made, "asked"), "utf8").length, cache: join(made, "cache") };
}

test("packages are fetched once, and anew when a file has changed", async () => {
  const { downloads } = withOwnApt();
  const files = ["usr/share/x/file"];
  const root = await cachedPackages("x", ["x"], files);
  const file = join(root, "usr/share/x/file");
  expect(readFileSync(file, "utf8")).toBe("content");
  expect(await cachedPackages("x", ["x"], files)).toBe(root);
  expect(downloads()).toBe(1);
  writeFileSync(file, "something else");
  expect(await cachedPackages("x", ["x"], files)).toBe(root);
  expect([downloads(), readFileSync(file, "utf8")]).toEqual([2, "content"]);
  rmSync(file);
  await cachedPackages("x", ["x"], files);
  expect([downloads(), readFileSync(file, "utf8")]).toEqual([3, "content"]);
});

test("packages that lack a file are an error, and leave nothing that would be taken for whole", async () => {
  withOwnApt();
  await expect(cachedPackages("x", ["x"], ["usr/share/x/other"])).rejects.toThrow("no usr/share/x/other");
  await expect(cachedPackages("x", ["x"], ["usr/share/x/other"])).rejects.toThrow("no usr/share/x/other");
  expect(await cachedPackages("x", ["x"], ["usr/share/x/file"])).toMatch(/x\/root$/);
});
