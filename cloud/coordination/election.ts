// Which of several nodes leads: each has an entry of its session below one path, numbered by the order of their making; the lowest leads.
//
// Level-triggered: whatever happens, the entries are read again and the outcome follows from them. Leadership ends with the hold of the
// session, before anybody else can have it.
import { FogbankError } from "#shared/errors.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Random } from "#shared/system/random.ts";
import type { Coordinator } from "./coordinator.ts";
import { makeEntry } from "./make-entry.ts";
import { ReviewLoop } from "./review-loop.ts";

export interface Candidate {
  /** Told to whoever asks who leads. */
  readonly data: Uint8Array;
  /** Called after each change of `leads`; it must not throw. */
  readonly changed: (leads: boolean) => void;
}

export interface Candidacy extends AsyncDisposable {
  /** Whether this one leads now. Ask again right before each act that only a leader may do. */
  readonly leads: boolean;
  /** Larger than that of every leader before; undefined when it does not lead. */
  readonly term: number | undefined;
}

export interface ElectionDeps {
  readonly coordinator: Coordinator;
  readonly clock: Clock;
  readonly random: Random;
}

interface Entrant {
  readonly name: string;
  readonly token: string;
  readonly number: number;
}

/** Those who stand, the leader first. Names that are no entrant's are left out. */
function entrantsOf(names: readonly string[]): readonly Entrant[] {
  return names
    .flatMap((name) => {
      const [, token, digits] = /^(.+)-(-?\d{10,})$/.exec(name) ?? [];
      return token === undefined ? [] : [{ name, token, number: Number(digits) }];
    })
    .toSorted((one, other) => one.number - other.number);
}

/** What the leader below `path` has said of itself; undefined when there is none. */
export async function leaderOf(coordinator: Coordinator, path: string): Promise<Uint8Array | undefined> {
  const [first] = entrantsOf(await coordinator.list(path));
  return first === undefined ? undefined : (await coordinator.get(`${path}/${first.name}`))?.data;
}

/** Stands below `path` until disposed. The outcome comes with `changed`. */
export function standForElection(path: string, candidate: Candidate, deps: ElectionDeps): Candidacy {
  return new Standing(path, candidate, deps);
}

class Standing implements Candidacy {
  readonly #path: string;
  readonly #candidate: Candidate;
  readonly #deps: ElectionDeps;
  /** In the name of the entry: one whose making was not confirmed is found by it. */
  readonly #token: string;
  readonly #loop: ReviewLoop;
  readonly #hold: Disposable;
  #term: number | undefined;
  #watch: AsyncDisposable | undefined;

  constructor(path: string, candidate: Candidate, deps: ElectionDeps) {
    this.#path = path;
    this.#candidate = candidate;
    this.#deps = deps;
    this.#token = deps.random.uuid();
    this.#loop = new ReviewLoop(deps.clock, () => this.#review());
    this.#hold = deps.coordinator.onHold((hold) => {
      if (hold === "lost" || hold === "ended") this.#setTerm(undefined);
      this.#loop.news();
    });
  }

  get term(): number | undefined {
    return this.leads ? this.#term : undefined;
  }

  get leads(): boolean {
    const { coordinator, clock } = this.#deps;
    return this.#term !== undefined && clock.monotonic() < coordinator.heldUntilMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hold[Symbol.dispose]();
    await this.#loop.stop();
    this.#setTerm(undefined);
    await this.#leave();
  }

  async #review(): Promise<void> {
    const { coordinator } = this.#deps;
    if (coordinator.hold === "ended") return;
    if (this.#watch === undefined) {
      await makeEntry(coordinator, this.#path);
      this.#watch = await coordinator.watch(this.#path, false, () => this.#loop.news());
    }
    const own = (await this.#ownEntrants())[0] ?? (await this.#enter());
    const entrants = entrantsOf(await coordinator.list(this.#path));
    const leads = entrants[0]?.name === own?.name && coordinator.hold === "held";
    this.#setTerm(leads ? own?.number : undefined);
  }

  /** Of this session: an older one's go by themselves. More than one after a making that was not confirmed. */
  async #ownEntrants(): Promise<readonly Entrant[]> {
    const { coordinator } = this.#deps;
    const own: Entrant[] = [];
    for (const entrant of entrantsOf(await coordinator.list(this.#path))) {
      if (entrant.token !== this.#token) continue;
      if ((await coordinator.get(`${this.#path}/${entrant.name}`))?.lifetime === "own") own.push(entrant);
    }
    return own;
  }

  async #enter(): Promise<Entrant | undefined> {
    const path = `${this.#path}/${this.#token}-`;
    const { data } = this.#candidate;
    const [made] = await this.#deps.coordinator.change([
      { type: "create", path, data, ephemeral: true, sequential: true },
    ]);
    return entrantsOf([made?.path.slice(this.#path.length + 1) ?? ""])[0];
  }

  #setTerm(term: number | undefined): void {
    if (term === this.#term) return;
    const led = this.#term !== undefined;
    this.#term = term;
    if (led !== (term !== undefined)) this.#candidate.changed(term !== undefined);
  }

  /** As well as it can be done: with the session the entry goes in any case. */
  async #leave(): Promise<void> {
    const { coordinator } = this.#deps;
    try {
      for (const { name } of await this.#ownEntrants()) {
        await coordinator.change([{ type: "delete", path: `${this.#path}/${name}` }]);
      }
      await this.#watch?.[Symbol.asyncDispose]();
    } catch (error) {
      if (!(error instanceof FogbankError)) throw error;
    }
  }
}
