// The Node that the binary is made of: out of the npm package that package-lock.json pins, or a file that the environment names.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import * as v from "valibot";
import type { Target } from "./target.ts";

const run = promisify(execFile);
const fetchMsMax = 300_000;

export interface NodeBase {
  readonly file: string;
  /** Such as `24.21.0`. */
  readonly version: string;
  /** Where it comes from, for people. */
  readonly source: string;
  /** Node's own text, with the licences of all that it bundles. */
  readonly licence: string;
}

export interface NodeBaseDeps {
  /** Of the checkout. */
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  /** Into which the base may be unpacked. */
  readonly folder: string;
}

const lockFile = v.object({ packages: v.record(v.string(), v.looseObject({})) });
const pinnedPackage = v.object({ version: v.string(), integrity: v.pipe(v.string(), v.startsWith("sha512-")) });

/** Whether there is a base at all for that target: none is on npm for armv7. */
export function hasBase({ nodePackage, baseVariable }: Target, env: NodeJS.ProcessEnv): boolean {
  return nodePackage !== undefined || (env[baseVariable] ?? "") !== "";
}

/** Rejects when there is none, or it is not what package-lock.json says. */
export async function provideBase(target: Target, deps: NodeBaseDeps): Promise<NodeBase> {
  const given = deps.env[target.baseVariable] ?? "";
  if (given !== "") return givenBase(target.baseVariable, resolve(given));
  if (target.nodePackage === undefined) {
    throw new Error(`there is no Node for ${target.arch} on npm: name one by ${target.baseVariable}`);
  }
  return packedBase(target.nodePackage, deps);
}

/** An executable of nodejs.org as it was unpacked: its licence is beside it, or one folder up. */
function givenBase(variable: string, file: string): NodeBase {
  if (!existsSync(file)) throw new Error(`${variable} names ${file}, which is not there`);
  const licenceFile = [dirname(file), dirname(dirname(file))]
    .map((folder) => join(folder, "LICENSE"))
    .find((candidate) => existsSync(candidate));
  if (licenceFile === undefined) {
    throw new Error(`${file} has no LICENSE beside it or in the folder above: unpack all of Node's archive`);
  }
  const version = versionIn(readFileSync(file));
  if (version === undefined) throw new Error(`${file} is no official Node: it does not tell its version`);
  return { file, version, source: `${file} (${variable})`, licence: readFileSync(licenceFile, "utf8") };
}

/** Read without running it: it may be for another machine. */
export function versionIn(executable: Uint8Array): string | undefined {
  const text = Buffer.from(executable.buffer, executable.byteOffset, executable.byteLength).toString("latin1");
  return /\/node-v(\d+\.\d+\.\d+)\.tar\.gz/.exec(text)?.[1];
}

async function packedBase(name: string, { root, folder }: NodeBaseDeps): Promise<NodeBase> {
  const lock = v.parse(lockFile, JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")));
  const { version, integrity } = v.parse(pinnedPackage, lock.packages[`node_modules/${name}`]);
  const cache = join(root, "node_modules", ".cache", "fogbank");
  const archive = join(cache, `${name}-${version}.tgz`);
  if (!hasIntegrity(archive, integrity)) {
    rmSync(archive, { force: true });
    await fetchPackage(`${name}@${version}`, cache);
  }
  if (!hasIntegrity(archive, integrity)) {
    rmSync(archive, { force: true });
    throw new Error(`${name}@${version} is not what package-lock.json says: its checksum is another`);
  }
  const parts = ["package/bin/node", "package/LICENSE"];
  await run("tar", ["-x", "-z", "-f", archive, "-C", folder, ...parts]);
  const licence = readFileSync(join(folder, "package", "LICENSE"), "utf8");
  const file = join(folder, "package", "bin", "node");
  return { file, version, source: `npm ${name}@${version}, checksum as pinned`, licence };
}

function hasIntegrity(file: string, integrity: string): boolean {
  if (!existsSync(file)) return false;
  return `sha512-${createHash("sha512").update(readFileSync(file)).digest("base64")}` === integrity;
}

/** As npm does it, out of its cache when it has it there. */
async function fetchPackage(spec: string, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const args = ["pack", "--silent", "--prefer-offline", "--pack-destination", folder, spec];
  await run("npm", args, { cwd: folder, timeout: fetchMsMax });
}
