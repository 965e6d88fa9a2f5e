// A Java to run servers with: the one on the PATH, or Debian's, unpacked into the cache without root.
import { spawnSync } from "node:child_process";
import { lstatSync, readdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { cachedPackages } from "./package-cache.ts";

/** As Debian 12 and Debian 13 name them. */
const releases = ["17", "21"];
const debianArch: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** The command. Rejects, with the reason, when there is none and none can be fetched. */
export async function findJava(): Promise<string> {
  if (runs("java")) return "java";
  const arch = debianArch[process.arch];
  if (process.platform !== "linux" || arch === undefined) {
    throw new Error(`there is no java on the PATH, and none to fetch for ${process.platform}-${process.arch}`);
  }
  const failures: string[] = [];
  for (const release of releases) {
    const home = `usr/lib/jvm/java-${release}-openjdk-${arch}`;
    const files = [`${home}/bin/java`, `${home}/lib/server/libjvm.so`];
    try {
      const root = await cachedPackages(`java-${release}`, [`openjdk-${release}-jre-headless`], files, pointIntoFolder);
      const java = join(root, home, "bin/java");
      if (runs(java)) return java;
      failures.push(`openjdk-${release} was unpacked, and does not run here (it needs zlib1g and libstdc++6)`);
    } catch (error) {
      failures.push(error instanceof Error ? (error.message.split("\n", 1)[0] ?? "") : String(error));
    }
  }
  throw new Error(`there is no java on the PATH, and none could be fetched: ${failures.join("; ")}`);
}

function runs(java: string): boolean {
  return spawnSync(java, ["-version"], { stdio: "ignore" }).status === 0;
}

/** The package's configuration lies in /etc, to which links lead that mean the unpacked folder here. */
function pointIntoFolder(unpacked: string): void {
  for (const entry of readdirSync(unpacked, { recursive: true, encoding: "utf8" })) {
    const path = join(unpacked, entry);
    if (!lstatSync(path).isSymbolicLink()) continue;
    const target = readlinkSync(path);
    if (!target.startsWith("/etc/")) continue;
    rmSync(path);
    symlinkSync(relative(dirname(path), join(unpacked, target)), path);
  }
}
