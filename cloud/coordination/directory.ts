// What stands below one entry, as it is now and as it changes: who is there, and what each has announced [U22].
import type { Clock } from "#shared/system/clock.ts";
import { FogbankError } from "#shared/errors.ts";
import type { Coordinator } from "./coordinator.ts";
import { ReviewLoop } from "./review-loop.ts";

export interface DirectoryDeps {
  readonly coordinator: Coordinator;
  readonly clock: Clock;
}

/** Data by name. */
export type Listing = ReadonlyMap<string, Uint8Array>;

export interface Directory extends AsyncDisposable {
  /** Undefined: it is not known now, because the session was lost or nothing has been read in it. */
  readonly listing: Listing | undefined;
}

/** Follows the children of `path`, which need not be there. `changed` hears of every listing, and when none is known any more. */
export function followDirectory(
  deps: DirectoryDeps,
  path: string,
  changed: (listing: Listing | undefined) => void,
): Directory {
  return new Followed(deps, path, changed);
}

class Followed implements Directory {
  readonly #coordinator: Coordinator;
  readonly #path: string;
  readonly #changed: (listing: Listing | undefined) => void;
  readonly #loop: ReviewLoop;
  readonly #hold: Disposable;
  #watch: AsyncDisposable | undefined;
  #listing: Listing | undefined;
  /** How often a session was lost: what was read before says nothing of what is now. */
  #losses = 0;

  constructor({ coordinator, clock }: DirectoryDeps, path: string, changed: (listing: Listing | undefined) => void) {
    this.#coordinator = coordinator;
    this.#path = path;
    this.#changed = changed;
    this.#loop = new ReviewLoop(clock, () => this.#review());
    this.#hold = coordinator.onHold((hold) => {
      // What a suspended session has read may still be so.
      if (hold === "lost" || hold === "ended") {
        this.#losses++;
        this.#set(undefined);
      }
      this.#loop.news();
    });
  }

  get listing(): Listing | undefined {
    return this.#listing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hold[Symbol.dispose]();
    await this.#loop.stop();
    try {
      await this.#watch?.[Symbol.asyncDispose]();
    } catch (error) {
      if (!(error instanceof FogbankError)) throw error; // it ends with the session
    }
  }

  async #review(): Promise<void> {
    const { hold } = this.#coordinator;
    if (hold === "ended" || hold === "lost") return;
    const losses = this.#losses;
    this.#watch ??= await this.#coordinator.watch(this.#path, true, () => this.#loop.news());
    const names = await this.#coordinator.list(this.#path);
    const entries = await Promise.all(names.map((name) => this.#coordinator.get(`${this.#path}/${name}`)));
    if (losses !== this.#losses) return;
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
    this.#changed(listing);
  }
}
