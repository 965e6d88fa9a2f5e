// One leader among those that stand for it [Z6]. Whoever leads stays it until its session ends; then of those that stand the
// alphabetically lower name leads [C8]. A leader whose session is suspended stops acting as one at once: nobody may act beside it.
import type { Logger } from "#shared/system/logger.ts";
import type { Coordinator } from "./coordinator.ts";
import { Looking } from "./looking.ts";
import { makeEntry } from "./make-entry.ts";

/** `term` is larger than that of every leader before: a fence for what a former leader still does. */
export interface Leadership {
  readonly leader: string;
  readonly term: number;
  readonly isSelf: boolean;
}

export interface ElectionDeps {
  readonly coordinator: Coordinator;
  readonly log: Logger;
}

export interface Candidate {
  /** Where the election takes place: an entry of its own. */
  readonly path: string;
  readonly name: string;
}

export interface Election extends AsyncDisposable {
  /** Undefined: nobody leads, or it is not known here who does. */
  readonly leadership: Leadership | undefined;
  onChange(listener: (leadership: Leadership | undefined) => void): Disposable;
}

/** Stands for election until it is disposed, which also ends a leadership. */
export function standForElection(deps: ElectionDeps, candidate: Candidate): Election {
  return new Standing(deps, candidate);
}

class Standing implements Election {
  readonly #deps: ElectionDeps;
  readonly #self: Candidate;
  readonly #looking: Looking;
  readonly #stack = new DisposableStack();
  readonly #listeners = new Set<(leadership: Leadership | undefined) => void>();
  #leadership: Leadership | undefined;

  constructor(deps: ElectionDeps, self: Candidate) {
    this.#deps = deps;
    this.#self = self;
    const { coordinator, log } = deps;
    this.#looking = new Looking(
      () => this.#look(),
      // The session will be live again, and this is looked at then.
      (error) => log.warn({ path: self.path, error: String(error) }, "election not looked at"),
    );
    this.#stack.use(coordinator.watch(self.path, () => this.#looking.want(), { isRecursive: true }));
    this.#stack.use(
      coordinator.onSession((state) => {
        if (state.type === "live") this.#looking.want();
        else this.#set(undefined);
      }),
    );
    this.#looking.want();
  }

  get leadership(): Leadership | undefined {
    return this.#leadership;
  }

  onChange(listener: (leadership: Leadership | undefined) => void): Disposable {
    const own = (leadership: Leadership | undefined): void => listener(leadership);
    this.#listeners.add(own);
    return { [Symbol.dispose]: () => void this.#listeners.delete(own) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stack.dispose();
    await this.#looking.stop();
    const wasLeader = this.#leadership?.isSelf === true;
    this.#set(undefined);
    if (this.#deps.coordinator.session.type === "lost") return;
    try {
      if (wasLeader) await this.#deps.coordinator.run([{ type: "remove", path: this.#leaderPath }]);
      await this.#deps.coordinator.run([{ type: "remove", path: this.#ownPath }]);
    } catch (error) {
      this.#deps.log.warn({ error: String(error) }, "could not withdraw from the election: it ends with the session");
    }
  }

  get #ownPath(): string {
    return `${this.#self.path}/candidates/${this.#self.name}`;
  }

  get #leaderPath(): string {
    return `${this.#self.path}/leader`;
  }

  get #termPath(): string {
    return `${this.#self.path}/term`;
  }

  async #look(): Promise<void> {
    const { coordinator } = this.#deps;
    const { session } = coordinator;
    if (session.type !== "live") return;
    await this.#stand();
    const found = await this.#read();
    // What was read under another session says nothing of this one.
    const now = coordinator.session;
    if (now.type !== "live" || now.id !== session.id) return;
    this.#set(found);
    if (found !== undefined || !(await this.#isNext())) return;
    await this.#claim();
    this.#looking.want();
  }

  async #stand(): Promise<void> {
    const { coordinator } = this.#deps;
    await makeEntry(coordinator, `${this.#self.path}/candidates`);
    await makeEntry(coordinator, this.#termPath);
    await coordinator.run([{ type: "create", path: this.#ownPath, data: new Uint8Array(), isEphemeral: true }]);
  }

  async #read(): Promise<Leadership | undefined> {
    const entry = await this.#deps.coordinator.read(this.#leaderPath);
    if (entry === undefined) return undefined;
    const [term = "", ...name] = new TextDecoder().decode(entry.data).split(" ");
    const { session } = this.#deps.coordinator;
    const isSelf = session.type === "live" && session.id === entry.owner;
    return { leader: name.join(" "), term: Number(term), isSelf };
  }

  async #isNext(): Promise<boolean> {
    const names = await this.#deps.coordinator.children(`${this.#self.path}/candidates`);
    return names?.toSorted((a, b) => (a < b ? -1 : 1))[0] === this.#self.name;
  }

  async #claim(): Promise<void> {
    const { coordinator } = this.#deps;
    const term = await coordinator.read(this.#termPath);
    if (term === undefined) return;
    const data = new TextEncoder().encode(`${term.version + 1} ${this.#self.name}`);
    await coordinator.run([
      { type: "write", path: this.#termPath, data: new Uint8Array(), version: term.version },
      { type: "create", path: this.#leaderPath, data, isEphemeral: true },
    ]);
  }

  #set(leadership: Leadership | undefined): void {
    const before = this.#leadership;
    const isSame =
      before?.leader === leadership?.leader &&
      before?.term === leadership?.term &&
      before?.isSelf === leadership?.isSelf;
    if (isSame) return;
    this.#leadership = leadership;
    for (const listener of this.#listeners) listener(leadership);
  }
}
