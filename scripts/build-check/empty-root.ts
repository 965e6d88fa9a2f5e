// A root directory with nothing in it but the binary, the shared libraries that it is linked with, /proc and one folder for data.
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface EmptyRoot {
  /** Runs the binary in it, in place of the process that is started: signals reach it. */
  readonly command: readonly string[];
  /** Everything in it but the folder for data, as paths inside. */
  readonly files: readonly string[];
}

/**
 * `root` does not exist yet. `data` has the same path inside, so that a configuration file there fits. Root is not needed where users may
 * have name spaces of their own.
 */
export async function makeEmptyRoot(root: string, binary: string, data: string): Promise<EmptyRoot> {
  const libraries = await sharedLibraries(binary);
  for (const folder of [join(root, "proc"), join(root, data), data]) mkdirSync(folder, { recursive: true });
  for (const library of libraries) copyInto(root, realpathSync(library), library);
  copyInto(root, binary, "/fogbank");
  const mounts = [mount("--rbind", "/proc", join(root, "proc")), mount("--bind", data, join(root, data))];
  // `exec` all along: the process keeps its number. The mounts are seen by it alone, and go with it.
  const script = `${mounts.join(" && ")} && exec chroot ${quote(root)} /fogbank "$@"`;
  const isRoot = process.getuid?.() === 0;
  return {
    command: ["unshare", isRoot ? "-m" : "-Urm", "sh", "-c", script, "fogbank"],
    files: ["/fogbank", ...libraries],
  };
}

/** With the loader, by the paths under which they are asked for. */
async function sharedLibraries(binary: string): Promise<readonly string[]> {
  const { stdout } = await run("ldd", [binary]);
  return parseLibraries(stdout);
}

/** From what ldd says: lines of `name => /path (address)`, and the loader's `/path (address)`. */
export function parseLibraries(text: string): readonly string[] {
  return text.split("\n").flatMap((line) => /^\s+(?:\S+ => )?(\/\S+) \(0x[\da-f]+\)$/.exec(line)?.[1] ?? []);
}

function copyInto(root: string, from: string, to: string): void {
  mkdirSync(dirname(join(root, to)), { recursive: true });
  copyFileSync(from, join(root, to));
}

function mount(how: string, from: string, to: string): string {
  return `mount ${how} ${quote(from)} ${quote(to)}`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
