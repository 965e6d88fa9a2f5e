// Finds the files of device classes in their two folders, and reads those that have changed and stand still [U-T6].
import { createHash } from "node:crypto";
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { classLimits } from "./bounds.ts";
import type { ConfigFolder, FoundFile } from "./class-catalogue.ts";
import { readXmlText } from "./xml-text.ts";

export interface ClassFolders {
  /** Files that come with the program. */
  readonly base?: string;
  /** Files of this installation: they win over those of the same name. */
  readonly volatile?: string;
}

export interface FolderLook {
  readonly files: readonly FoundFile[];
  /** Whether a file has changed and was not read yet, so that another look is due soon. */
  readonly isMoving: boolean;
  /** What is wrong with the folders, in sentences. */
  readonly complaints: readonly string[];
}

interface Seen {
  /** Of the latest look: size, times and inode, which tell versions apart. */
  readonly stamp: string;
  /** As it was when it last stood still. */
  readonly read?: { readonly stamp: string; readonly file: FoundFile };
}

interface Place {
  readonly folder: ConfigFolder;
  readonly name: string;
  readonly path: string;
}

interface Listing {
  readonly places: readonly Place[];
  readonly complaint?: string;
}

/** Looks at the folders again and again. A file counts when two looks in a row find it unchanged; until then its last version does. */
export class FolderReader {
  readonly #folders: ClassFolders;
  #seen: ReadonlyMap<string, Seen> = new Map();
  #places: Readonly<Record<ConfigFolder, readonly Place[]>> = { base: [], volatile: [] };

  constructor(folders: ClassFolders) {
    this.#folders = folders;
  }

  /** Never two at the same time. */
  async look(): Promise<FolderLook> {
    const [base, volatile] = [await this.#list("base"), await this.#list("volatile")];
    this.#places = { base: base.places, volatile: volatile.places };
    const seen = new Map<string, Seen>();
    let chars = 0;
    for (const place of [...base.places, ...volatile.places]) {
      const next = await lookAt(place, this.#seen.get(place.path));
      if (next === undefined) continue;
      const content = next.read?.file.content;
      chars += content !== undefined && "text" in content ? content.text.length : 0;
      seen.set(place.path, chars > classLimits.totalBytes ? withoutRoom(place, next) : next);
    }
    this.#seen = seen;
    return {
      files: [...seen.values()].flatMap(({ read }) => read?.file ?? []),
      isMoving: [...seen.values()].some(({ stamp, read }) => stamp !== read?.stamp),
      complaints: [base, volatile].flatMap(({ complaint }) => complaint ?? []),
    };
  }

  /** XML files in the order of their names. A folder that is not there is empty; one that cannot be listed counts as it was. */
  async #list(folder: ConfigFolder): Promise<Listing> {
    const path = this.#folders[folder];
    if (path === undefined) return { places: [] };
    try {
      const names = (await readdir(path)).filter((name) => name.endsWith(".xml") && !name.startsWith(".")).toSorted();
      const places = names.slice(0, classLimits.files).map((name) => ({ folder, name, path: join(path, name) }));
      if (names.length === places.length) return { places };
      return { places, complaint: `${path} has ${names.length} files, of which the first ${places.length} are read` };
    } catch (error) {
      if (codeOf(error) === "ENOENT") return { places: [] };
      return { places: this.#places[folder], complaint: `${path} cannot be listed: ${messageOf(error)}` };
    }
  }
}

/** Undefined when there is no such file any more. */
async function lookAt(place: Place, before: Seen | undefined): Promise<Seen | undefined> {
  try {
    const stamp = await stampOf(place.path);
    if (stamp === undefined) return undefined;
    const seen = { stamp, ...(before?.read && { read: before.read }) };
    // Read already, or on the move.
    if (stamp === before?.read?.stamp || stamp !== before?.stamp) return seen;
    const file = await readPlace(place);
    return (await stampOf(place.path)) === stamp ? { stamp, read: { stamp, file } } : seen;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    const reason = `the file cannot be read: ${messageOf(error)}`;
    return { stamp: reason, read: { stamp: reason, file: { ...place, hash: reason, content: { line: 0, reason } } } };
  }
}

/** Undefined for what is no file: opening a pipe would wait for ever. */
async function stampOf(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true });
  return found.isFile() ? [found.size, found.mtimeNs, found.ctimeNs, found.ino].join() : undefined;
}

/** No more than one byte beyond the limit is read. */
async function readPlace(place: Place): Promise<FoundFile> {
  const room = new Uint8Array(classLimits.fileBytes + 1);
  let length = 0;
  const handle = await open(place.path, "r");
  try {
    for (;;) {
      const { bytesRead } = await handle.read(room, length, room.length - length);
      length += bytesRead;
      if (bytesRead === 0 || length === room.length) break;
    }
  } finally {
    await handle.close();
  }
  const bytes = room.subarray(0, length);
  return { ...place, hash: createHash("sha256").update(bytes).digest("hex"), content: readXmlText(bytes) };
}

function withoutRoom(place: Place, { stamp }: Seen): Seen {
  const reason = `there is no room for it: all files together have more than ${classLimits.totalBytes} bytes`;
  return { stamp, read: { stamp: "", file: { ...place, hash: reason, content: { line: 0, reason } } } };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
