// Something that all are to see as long as this node has a session: its address, its weight, a database that it uses [U11, U20, U22].
// Made again in each new session; what is left of an older one goes by itself, and then it is made.
import type { Clock } from "#shared/system/clock.ts";
import { FogbankError } from "#shared/errors.ts";
import { ChangeRefused, type Coordinator } from "./coordinator.ts";
import { makeEntry } from "./make-entry.ts";
import { ReviewLoop } from "./review-loop.ts";

export interface AnnouncementDeps {
  readonly coordinator: Coordinator;
  readonly clock: Clock;
}

export interface Announcement extends AsyncDisposable {
  /** It has been seen there, of this session. */
  readonly isThere: boolean;
  update(data: Uint8Array): void;
}

/** Keeps `data` at `parent`/`name` until it is disposed. Whoever announces there already comes first: this one follows when that one goes. */
export function announce(deps: AnnouncementDeps, parent: string, name: string, data: Uint8Array): Announcement {
  return new Announced(deps, parent, name, data);
}

class Announced implements Announcement {
  readonly #coordinator: Coordinator;
  readonly #parent: string;
  readonly #path: string;
  readonly #loop: ReviewLoop;
  readonly #hold: Disposable;
  #watch: AsyncDisposable | undefined;
  #data: Uint8Array;
  #isOwn = false;

  constructor({ coordinator, clock }: AnnouncementDeps, parent: string, name: string, data: Uint8Array) {
    this.#coordinator = coordinator;
    this.#parent = parent;
    this.#path = `${parent}/${name}`;
    this.#data = data;
    this.#loop = new ReviewLoop(clock, () => this.#review());
    this.#hold = coordinator.onHold((hold) => {
      if (hold === "lost" || hold === "ended") this.#isOwn = false;
      this.#loop.news();
    });
  }

  get isThere(): boolean {
    return this.#isOwn;
  }

  update(data: Uint8Array): void {
    this.#data = data;
    this.#loop.news();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hold[Symbol.dispose]();
    await this.#loop.stop();
    try {
      await this.#watch?.[Symbol.asyncDispose]();
      const isOwn = (await this.#coordinator.get(this.#path))?.lifetime === "own";
      if (isOwn) await this.#coordinator.change([{ type: "delete", path: this.#path }]);
    } catch (error) {
      // With the session it goes in any case.
      if (!(error instanceof FogbankError)) throw error;
    }
  }

  async #review(): Promise<void> {
    if (this.#coordinator.hold === "ended") return;
    this.#watch ??= await this.#coordinator.watch(this.#path, false, () => this.#loop.news());
    const entry = await this.#coordinator.get(this.#path);
    this.#isOwn = entry?.lifetime === "own";
    const data = this.#data;
    if (entry === undefined) await this.#make(data);
    else if (this.#isOwn && !isSame(entry.data, data))
      await this.#coordinator.change([{ type: "write", path: this.#path, data }]);
  }

  async #make(data: Uint8Array): Promise<void> {
    await makeEntry(this.#coordinator, this.#parent);
    try {
      await this.#coordinator.change([{ type: "create", path: this.#path, data, ephemeral: true }]);
    } catch (error) {
      if (!(error instanceof ChangeRefused && error.reason === "exists")) throw error;
    }
    this.#loop.news(); // to see whose it is
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
