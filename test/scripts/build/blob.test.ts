import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { chooseMaker, makeBlob } from "../../../scripts/build/blob.ts";
import type { NodeBase } from "../../../scripts/build/node-base.ts";
import { targetOf, type Architecture } from "../../../scripts/build/target.ts";
import type { Toolbox } from "../../../scripts/build/toolbox.ts";

const bundle = { main: "console.log(1)", others: new Map([["worker.cjs", "2"]]), inputs: [] };

async function blobOf(usesCodeCache: boolean): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-blob-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const maker = { command: process.execPath, args: [], makesCodeCache: true };
  return readFileSync(await makeBlob({ folder, bundle, notices: "N", unit: "U", maker, usesCodeCache }));
}

test("without a code cache the blob is the same bytes in whatever folder it is made", async () => {
  const blob = await blobOf(false);
  expect((await blobOf(false)).equals(blob)).toBe(true);
  expect((await blobOf(true)).length).toBeGreaterThan(blob.length);
});

/** The maker for a machine of another kind than this, which is an x64 one. */
async function makerFor(arch: Architecture, version: string, found: string | undefined) {
  const told: string[] = [];
  const base: NodeBase = { file: "/base/node", version, source: "", licence: "" };
  const toolbox: Toolbox = { find: async ({ names }) => (found === undefined ? undefined : `${found}/${names[0]}`) };
  const maker = await chooseMaker(targetOf(arch, "x64"), base, toolbox, (text) => told.push(text));
  return { maker, told };
}

test("the target's own Node makes the blob, under qemu when it is for another machine", async () => {
  const native = { command: "/base/node", args: [], makesCodeCache: true };
  expect(await makerFor("x64", "24.1.2", undefined)).toEqual({ maker: native, told: [] });
  const args = ["-L", "/usr/aarch64-linux-gnu", "/base/node"];
  const emulated = { command: "/bin/qemu-aarch64-static", args, makesCodeCache: true };
  expect(await makerFor("arm64", "24.1.2", "/bin")).toEqual({ maker: emulated, told: [] });
});

test("without qemu this Node makes it, if it is the same version, and it is told that there is no code cache", async () => {
  const { maker, told } = await makerFor("arm64", process.versions.node, undefined);
  expect(maker).toEqual({ command: process.execPath, args: [], makesCodeCache: false });
  expect(told).toEqual(["arm64: without qemu there is no code cache in it, so it starts slower"]);
  await expect(makerFor("arm64", "24.1.2", undefined)).rejects.toThrow("without qemu it takes the same Node");
  await expect(makerFor("armv7", process.versions.node, undefined)).rejects.toThrow("armv7 needs qemu");
});
