// Keeps the device classes in force what the folders say: looks at them again and again, and at once when the system tells of a
// change. The timer alone is enough; events only make it faster [U13], [U-T5].
import { watch, type FSWatcher } from "node:fs";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import { classLimits } from "./bounds.ts";
import { changedClasses, type ClassCatalogue, emptyCatalogue, newRefusals, nextCatalogue } from "./class-catalogue.ts";
import { type ClassFolders, FolderReader } from "./class-folders.ts";
import { type ClassReader, createClassReader } from "./class-reader.ts";
import { loadXmlLibrary } from "./xml-library.ts";

export interface ClassWatcherDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** As `loadXmlLibrary` takes it. */
  readonly embeddedText: (name: string) => string | undefined;
  /** Called with each new catalogue. */
  readonly onChange: (catalogue: ClassCatalogue) => void;
  /** Whether to listen to events of the file system; true unless it is said. */
  readonly listens?: boolean;
}

export interface ClassWatcher extends AsyncDisposable {
  /** What is in force. */
  readonly catalogue: () => ClassCatalogue;
}

/** Returns at once; the classes come when the folders have been looked at twice. */
export function watchClasses(deps: ClassWatcherDeps, folders: ClassFolders): ClassWatcher {
  const watcher = new Watcher(deps, folders);
  const stop = new AbortController();
  const done = watcher.run(stop.signal);
  return {
    catalogue: () => watcher.catalogue,
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error("stopped"));
      await done;
    },
  };
}

class Watcher {
  catalogue = emptyCatalogue;
  readonly #deps: ClassWatcherDeps;
  readonly #folders: ClassFolders;
  readonly #reader: FolderReader;
  readonly #listeners = new Map<string, FSWatcher>();
  #xml: ClassReader | undefined;
  #complaints: readonly string[] = [];
  #wake: () => void = () => undefined;

  constructor(deps: ClassWatcherDeps, folders: ClassFolders) {
    this.#deps = deps;
    this.#folders = folders;
    this.#reader = new FolderReader(folders);
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        // Before the look: a change after it is told.
        const woken = this.#listen();
        const isMoving = await this.#look();
        await this.#rest(isMoving, woken, signal);
      }
    } finally {
      for (const listener of this.#listeners.values()) listener.close();
    }
  }

  /** Whether another look is due soon. */
  async #look(): Promise<boolean> {
    const { files, isMoving, complaints } = await this.#reader.look();
    for (const complaint of complaints.filter((one) => !this.#complaints.includes(one)))
      this.#deps.log.warn({ complaint }, "folder of device classes");
    this.#complaints = complaints;
    // The library is loaded when there is something to read.
    if (files.length > 0) this.#xml ??= createClassReader(await loadXmlLibrary(this.#deps.embeddedText));
    const before = this.catalogue;
    if (this.#xml === undefined || !isOther(before, files)) return isMoving;
    this.catalogue = nextCatalogue(before, files, this.#xml);
    this.#tell(before);
    return isMoving;
  }

  #tell(before: ClassCatalogue): void {
    for (const { path, line, reason, hasSubstitute } of newRefusals(before, this.catalogue))
      this.#deps.log.warn({ file: path, line, reason, hasSubstitute }, "file of device classes refused");
    const changed = changedClasses(before, this.catalogue);
    if (changed.length > 0) this.#deps.log.info({ changed }, "device classes changed");
    this.#deps.onChange(this.catalogue);
  }

  /** Until the next look is due. After an event the files are given time to settle. */
  async #rest(isMoving: boolean, woken: Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const { settleMs, pollMs } = classLimits;
    const rest = new AbortController();
    const either = AbortSignal.any([signal, rest.signal]);
    const sleep = clock.sleep(isMoving ? settleMs : pollMs, either).catch(() => undefined);
    await (isMoving ? sleep : Promise.race([sleep, woken]));
    rest.abort();
  }

  /** Resolves at the next event in one of the folders. A folder that cannot be listened to is tried again at the next look. */
  #listen(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    if (this.#deps.listens === false) return promise;
    for (const folder of [this.#folders.base, this.#folders.volatile]) {
      if (folder === undefined || this.#listeners.has(folder)) continue;
      try {
        const listener = watch(folder, () => this.#wake());
        const forget = (): void => {
          listener.close();
          this.#listeners.delete(folder);
        };
        listener.on("error", forget);
        this.#listeners.set(folder, listener);
      } catch {
        // Not there yet, or nothing that can be watched: the timer sees to it.
      }
    }
    return promise;
  }
}

/** Whether the folders hold something else than when the catalogue was made. */
function isOther({ sources }: ClassCatalogue, files: ClassCatalogue["sources"]): boolean {
  return sources.length !== files.length || sources.some((file, index) => file !== files[index]);
}
