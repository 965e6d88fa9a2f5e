// What stands below one entry, as it is now and as it changes: who is there, and what each has announced.
import type { Logger } from "#shared/system/logger.ts";
import type { Coordinator } from "./coordinator.ts";
import { Looking } from "./looking.ts";

export interface DirectoryDeps {
  readonly coordinator: Coordinator;
  readonly log: Logger;
}

/** Data by name. */
export type Listing = ReadonlyMap<string, Uint8Array>;

export interface Directory extends AsyncDisposable {
  /** Undefined: it is not known now, because there is no session or nothing has been read in it. */
  readonly listing: Listing | undefined;
}

/** Follows the children of `path`, which need not be there. `onChange` hears of every other listing, and when none is known any more. */
export function followDirectory(
  deps: DirectoryDeps,
  path: string,
  onChange: (listing: Listing | undefined) => void,
): Directory {
  return new Followed(deps, path, onChange);
}

class Followed implements Directory {
  readonly #deps: DirectoryDeps;
  readonly #path: string;
  readonly #onChange: (listing: Listing | undefined) => void;
  readonly #looking: Looking;
  readonly #stack = new DisposableStack();
  #listing: Listing | undefined;

  constructor(deps: DirectoryDeps, path: string, onChange: (listing: Listing | undefined) => void) {
    const { coordinator, log } = deps;
    this.#deps = deps;
    this.#path = path;
    this.#onChange = onChange;
    this.#looking = new Looking(
      () => this.#look(),
      (error) => log.warn({ path, error: String(error) }, "could not read from the coordinator"),
    );
    this.#stack.use(coordinator.watch(path, () => this.#looking.want(), { isRecursive: true }));
    this.#stack.use(
      coordinator.onSession((state) => {
        // What a suspended session has read may still be so; what a lost one has read is another tree's.
        if (state.type === "lost") this.#set(undefined);
        if (state.type === "live") this.#looking.want();
      }),
    );
    this.#looking.want();
  }

  get listing(): Listing | undefined {
    return this.#listing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stack.dispose();
    await this.#looking.stop();
  }

  async #look(): Promise<void> {
    const { coordinator } = this.#deps;
    const { session } = coordinator;
    if (session.type !== "live") return;
    const names = (await coordinator.children(this.#path)) ?? [];
    const entries = await Promise.all(names.map((name) => coordinator.read(`${this.#path}/${name}`)));
    const now = coordinator.session;
    if (now.type !== "live" || now.id !== session.id) return;
    const listing = new Map<string, Uint8Array>();
    for (const [index, name] of names.entries()) {
      const data = entries[index]?.data;
      if (data !== undefined) listing.set(name, data);
    }
    this.#set(listing);
  }

  #set(listing: Listing | undefined): void {
    if (listing === undefined && this.#listing === undefined) return;
    this.#listing = listing;
    this.#onChange(listing);
  }
}
