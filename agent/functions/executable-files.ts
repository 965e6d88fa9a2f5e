// The executable files of a directory as functions: which there are, whether they may be run, and the schemas beside them.
// Looked at anew for every call, so that a file is there as soon as it is copied.
import { readdirSync, readFileSync, statSync, type Stats } from "node:fs";
import { join, parse } from "node:path";
import { isFunctionName } from "#shared/machine/envelope.ts";
import { limits } from "#shared/limits.ts";
import type { Logger } from "#shared/system/logger.ts";

/** `unreadable`: there is one, and why it cannot be read. */
export type SchemaFile = Uint8Array | { readonly unreadable: string };

/** `refused`: there is one, and why it is not run. */
export type ExecutableFile = { readonly path: string } | { readonly refused: string };

export interface ExecutableFiles {
  /** The file of the function `name`; undefined: there is none. */
  find(name: string): ExecutableFile | undefined;
  /** What `<name>.schema.json` holds; undefined: there is none. Bytes beyond the limit of a schema are left out, but for one. */
  schema(name: string): SchemaFile | undefined;
}

export interface ExecutableFilesConfig {
  readonly directory: string;
  /** Whether files that others may change are run. */
  readonly insecure: boolean;
}

const executableBits = 0o111;
const writableByOthers = 0o022;

/** What is wrong is logged once for each file; nothing that is wrong with a file throws. */
export function executableFiles(log: Logger, { directory, insecure }: ExecutableFilesConfig): ExecutableFiles {
  const told = new Set<string>();
  return { find, schema };

  function find(name: string): ExecutableFile | undefined {
    if (!isFunctionName(name)) return undefined;
    const files = executablesOf(name);
    const [file] = files;
    if (file === undefined) return undefined;
    if (files.length > 1)
      return refuse(join(directory, file.base), `${files.map(({ base }) => base).join(" and ")} have the same name`);
    const path = join(directory, file.base);
    const owner = insecure ? undefined : (reasonOf(directory, statsOf(directory)) ?? reasonOf(file.base, file.stats));
    return owner === undefined ? { path } : refuse(path, owner);
  }

  function executablesOf(name: string): readonly { readonly base: string; readonly stats: Stats }[] {
    return list()
      .filter((base) => !base.startsWith(".") && parse(base).name === name)
      .flatMap((base) => {
        const stats = statsOf(join(directory, base));
        return stats?.isFile() === true && (stats.mode & executableBits) !== 0 ? [{ base, stats }] : [];
      });
  }

  function list(): readonly string[] {
    try {
      return readdirSync(directory);
    } catch (error) {
      tell(directory, String(error));
      return [];
    }
  }

  function schema(name: string): SchemaFile | undefined {
    const path = join(directory, `${name}.schema.json`);
    try {
      const stats = statSync(path, { throwIfNoEntry: false });
      if (stats === undefined) return undefined;
      // To read from a pipe would wait for whoever writes to it.
      if (!stats.isFile()) return { unreadable: "it is no regular file" };
      return stats.size > limits.schemaBytes ? new Uint8Array(limits.schemaBytes + 1) : readFileSync(path);
    } catch (error) {
      tell(path, String(error));
      return { unreadable: codeOf(error) };
    }
  }

  /** Undefined where there is nothing, or what cannot be looked at. */
  function statsOf(path: string): Stats | undefined {
    try {
      return statSync(path, { throwIfNoEntry: false });
    } catch (error) {
      tell(path, String(error));
      return undefined;
    }
  }

  function refuse(path: string, reason: string): ExecutableFile {
    tell(path, reason);
    return { refused: reason };
  }

  function tell(path: string, reason: string): void {
    const news = `${path}: ${reason}`;
    if (told.has(news)) return;
    if (told.size >= limits.toldFiles) told.clear();
    told.add(news);
    log.warn({ file: path, reason }, "executable not offered as a function");
  }
}

/** Why somebody else decides what the file does: it would run with the rights of this node. */
function reasonOf(file: string, stats: Stats | undefined): string | undefined {
  if (stats === undefined) return `${file} cannot be looked at`;
  const { uid, mode } = stats;
  if (uid !== 0 && uid !== process.getuid?.()) return `${file} belongs to another user: chown it, or set insecure`;
  if ((mode & writableByOthers) !== 0) return `${file} can be written by others: chmod go-w, or set insecure`;
  return undefined;
}

/** Such as `EACCES`: callers far away need not hear the paths of this machine. */
function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "it cannot be read";
}
