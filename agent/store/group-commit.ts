// Gathers writes of all parts of a node into transactions. Self-clocking: while one commit runs the next one fills up.
//
//   write() ──▶ waiting ──▶ run(batch) ──▶ durable ──▶ every promise of the batch settles
//
// Nothing settles before the commit that holds it. A lazy write waits for company, at most `lazyMs`. Where each commit wears the disk
// they are kept apart by `minCommitMs`; an urgent write does not wait for that, and takes along what waits.
import { FogbankError } from "#shared/errors.ts";
import type { Clock } from "#shared/system/clock.ts";

/** A write by name, with what it needs. */
export interface WriteRequest {
  readonly name: string;
  readonly args: unknown;
}

export type WriteOutcome = { readonly value: unknown } | { readonly error: unknown };

export interface GroupCommitDeps {
  readonly clock: Clock;
  /** Resolves when everything that came in this turn of the event loop has been handled. */
  turn(): Promise<void>;
  /** Runs the requests in one durable transaction; one outcome each, in order. The buffers in `transfer` are its own from then on. */
  run(requests: readonly WriteRequest[], transfer: readonly ArrayBuffer[]): Promise<readonly WriteOutcome[]>;
  /** Least time from the start of one commit to that of the next; none when absent. */
  readonly minCommitMs?: number;
}

/** `lazy`: waits for company. `urgent`: is not kept apart from the commit before. */
export type Haste = "lazy" | "urgent";

/** Called when a commit is about to start: a part that collects adds what it has. */
export type Contributor = () => readonly PendingWrite[];

export interface PendingWrite extends WriteRequest {
  /** Buffers in `args` that are moved instead of copied: nobody may look at them afterwards. */
  readonly transfer?: readonly ArrayBuffer[];
  settle(outcome: WriteOutcome): void;
}

/** The wait before a commit that follows another: this share of the last one's time, at most `lingerMsMax`. */
const lingerShare = 0.1;
const lingerMsMax = 5;
/** Below this a timer costs more than the wait gains: then as many turns of the event loop. */
const lingerMsMin = 1;
const lingerTurns = 2;
const lazyMs = 200;
const requestsPerCommit = 4_096;

export class GroupCommit implements AsyncDisposable {
  readonly #deps: GroupCommitDeps;
  readonly #contributors: Contributor[] = [];
  #waiting: PendingWrite[] = [];
  #lazy: PendingWrite[] = [];
  #isLazyTimerSet = false;
  #isLazyDue = false;
  readonly #stop = new AbortController();
  #loop: Promise<void> | undefined;
  #closed = false;
  #lastCommitMs = 0;
  /** When the last commit began, of the clock that never steps. */
  #lastStartMs = -Infinity;
  /** Something waits that must not be kept apart; ends the wait that is under way. */
  #isUrgent = false;
  #hurry = new AbortController();
  /** Commits so far, for statistics. */
  commits = 0;

  constructor(deps: GroupCommitDeps) {
    this.#deps = deps;
  }

  /** Asks `contributor` at the start of every commit. */
  contribute(contributor: Contributor): void {
    this.#contributors.push(contributor);
  }

  /** Resolves with the outcome's value once it is durable, rejects with its error. `transfer`: see PendingWrite. */
  write(name: string, args: unknown, haste?: Haste, transfer?: readonly ArrayBuffer[]): Promise<unknown> {
    if (this.#closed) return Promise.reject(closedError(name));
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const settle = (outcome: WriteOutcome): void => {
      if ("error" in outcome) reject(outcome.error);
      else resolve(outcome.value);
    };
    const pending: PendingWrite = { name, args, settle, ...(transfer && { transfer }) };
    if (haste === "lazy") {
      this.#lazy.push(pending);
      this.#startLazyTimer();
    } else {
      this.#waiting.push(pending);
      this.wake(haste);
    }
    return promise;
  }

  /** A contributor has something: commit soon. */
  wake(haste?: "urgent"): void {
    if (haste === "urgent" && !this.#isUrgent) {
      this.#isUrgent = true;
      this.#hurry.abort();
    }
    this.#loop ??= this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#stop.abort();
    this.wake("urgent");
    await this.#loop;
  }

  async #run(): Promise<void> {
    // Everything that arrives in this turn of the event loop joins the first commit.
    await this.#deps.turn();
    for (;;) {
      await this.#keepApart();
      const batch = this.#take();
      if (batch.length === 0) break;
      const startMs = this.#deps.clock.monotonic();
      this.#lastStartMs = startMs;
      await this.#commit(batch);
      this.#lastCommitMs = this.#deps.clock.monotonic() - startMs;
      await this.#linger();
    }
    this.#loop = undefined;
  }

  /** Waits until the last commit is long enough ago, or something is urgent. Whoever comes meanwhile joins the next commit. */
  async #keepApart(): Promise<void> {
    const { clock, minCommitMs = 0 } = this.#deps;
    const waitMs = this.#lastStartMs + minCommitMs - clock.monotonic();
    if (waitMs > 0 && !this.#isUrgent) {
      this.#hurry = new AbortController();
      await clock.sleep(waitMs, this.#hurry.signal).catch(() => undefined);
    }
  }

  #take(): PendingWrite[] {
    this.#isUrgent = this.#closed;
    for (const contributor of this.#contributors) this.#waiting.push(...contributor());
    // A commit makes lazy writes of its own (cursors that move): alone they would be a commit for each commit.
    if (this.#waiting.length === 0 && !this.#isLazyDue && !this.#closed) return [];
    this.#isLazyDue = false;
    this.#waiting.push(...this.#lazy);
    this.#lazy = [];
    return this.#waiting.splice(0, requestsPerCommit);
  }

  async #commit(batch: readonly PendingWrite[]): Promise<void> {
    let outcomes: readonly WriteOutcome[];
    try {
      const transfer = batch.flatMap((write) => write.transfer ?? []);
      const requests = batch.map(({ name, args }) => ({ name, args }));
      outcomes = await this.#deps.run(requests, transfer);
    } catch (error) {
      for (const write of batch) write.settle({ error });
      return;
    }
    this.commits++;
    batch.forEach((write, index) => write.settle(outcomes[index] ?? { error: closedError(write.name) }));
  }

  async #linger(): Promise<void> {
    const ms = Math.min(lingerMsMax, this.#lastCommitMs * lingerShare);
    if (this.#closed) return;
    if (ms >= lingerMsMin) await this.#deps.clock.sleep(ms);
    else for (let turn = 0; turn < lingerTurns; turn++) await this.#deps.turn();
  }

  /** One timer at a time, and never called off: a commit that takes the lazy ones along costs nothing more for it. */
  #startLazyTimer(): void {
    if (this.#isLazyTimerSet) return;
    this.#isLazyTimerSet = true;
    const rings = (): void => {
      this.#isLazyTimerSet = false;
      if (this.#lazy.length === 0) return;
      this.#isLazyDue = true;
      this.wake();
    };
    this.#deps.clock.sleep(lazyMs, this.#stop.signal).then(rings, rings);
  }
}

function closedError(name: string): FogbankError {
  return new FogbankError("FOGBANK_STORE_CLOSED", `the store is closed: "${name}" was not written`);
}
