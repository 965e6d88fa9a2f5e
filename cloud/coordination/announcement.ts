// Something that all are to see as long as this node has a session: its address, its weight, a database that it uses [U11, U20, U22].
// Made again in each new session; what is left of an older one has to go before.
import type { Logger } from "#shared/system/logger.ts";
import type { Coordinator } from "./coordinator.ts";
import { parentOf } from "./entry-path.ts";
import { Looking } from "./looking.ts";
import { makeEntry } from "./make-entry.ts";

export interface AnnouncementDeps {
  readonly coordinator: Coordinator;
  readonly log: Logger;
}

export interface Announcement extends AsyncDisposable {
  /** It stands there in this session. */
  readonly isThere: boolean;
  update(data: Uint8Array): void;
}

/** Keeps `data` at `path` until it is disposed. Whoever else announces there comes first: this one follows when that one goes. */
export function announce(deps: AnnouncementDeps, path: string, data: Uint8Array): Announcement {
  return new Announced(deps, path, data);
}

class Announced implements Announcement {
  readonly #deps: AnnouncementDeps;
  readonly #path: string;
  readonly #looking: Looking;
  readonly #stack = new DisposableStack();
  #data: Uint8Array;
  #madeIn: string | undefined;

  constructor(deps: AnnouncementDeps, path: string, data: Uint8Array) {
    const { coordinator, log } = deps;
    this.#deps = deps;
    this.#path = path;
    this.#data = data;
    this.#looking = new Looking(
      () => this.#look(),
      // The session will be live again, and this is looked at then.
      (error) => log.warn({ path, error: String(error) }, "could not announce to the coordinator"),
    );
    this.#stack.use(coordinator.watch(path, () => this.#looking.want()));
    this.#stack.use(coordinator.onSession(() => this.#looking.want()));
    this.#looking.want();
  }

  get isThere(): boolean {
    const { session } = this.#deps.coordinator;
    return session.type === "live" && session.id === this.#madeIn;
  }

  update(data: Uint8Array): void {
    this.#data = data;
    this.#looking.want();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stack.dispose();
    await this.#looking.stop();
    if (!this.isThere) return;
    try {
      await this.#deps.coordinator.run([{ type: "remove", path: this.#path }]);
    } catch (error) {
      this.#deps.log.warn({ path: this.#path, error: String(error) }, "could not withdraw: it ends with the session");
    }
  }

  async #look(): Promise<void> {
    const { coordinator } = this.#deps;
    const { session } = coordinator;
    if (session.type !== "live") return;
    const entry = await coordinator.read(this.#path);
    this.#madeIn = entry?.owner === session.id ? session.id : undefined;
    const data = this.#data;
    if (entry === undefined) {
      await makeEntry(coordinator, parentOf(this.#path));
      await coordinator.run([{ type: "create", path: this.#path, data, isEphemeral: true }]);
      this.#looking.want(); // to see whose it is
    } else if (this.#madeIn !== undefined && !isSame(entry.data, data))
      await coordinator.run([{ type: "write", path: this.#path, data }]);
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
