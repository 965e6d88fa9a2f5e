// Runs functions of this level on this node, for its own clients and for nodes below it. Whoever asks again under the same id is told the
// same outcome: nothing runs twice as long as the id is remembered, which is until the deadline while there is room.
import { limits } from "#shared/limits.ts";
import { timedOut, type LevelOutcome } from "#shared/level/outcome.ts";
import type { Encoding } from "#shared/machine/envelope.ts";
import type { PlainValue } from "#shared/machine/plain-value.ts";
import { encodeReply } from "#shared/machine/request.ts";
import type { Clock } from "#shared/system/clock.ts";
import { levelFunctionPrefix } from "#shared/topics.ts";
import type { Outcome } from "../functions/run.ts";
import type { FunctionRunner } from "../functions/function-runner.ts";

export interface LevelRun {
  /** The node below that the call comes from; empty: a client of this node. Each has ids of its own. */
  readonly caller: string;
  readonly id: string;
  readonly name: string;
  readonly args: PlainValue;
  /** The caller's node, as programs are told. */
  readonly origin: string;
  /** CEL text; empty: true. */
  readonly condition: string;
  readonly ttlMs: number;
  readonly encoding: Encoding;
}

/** What a condition comes to on this node. */
export type CheckCondition = (text: string) => { readonly holds: boolean } | { readonly error: string };

export interface LevelRunsDeps {
  readonly runner: FunctionRunner;
  readonly check: CheckCondition;
  readonly clock: Clock;
}

type Answer = (outcome: LevelOutcome) => void;

interface Entry {
  readonly name: string;
  readonly id: string;
  readonly answers: Map<string, Answer>;
  readonly forgotten: AbortController;
  outcome: LevelOutcome | undefined;
  bytes: number;
}

/** What an entry takes beside its outcome, about. */
const entryBytes = 500;

export class LevelRuns implements AsyncDisposable {
  readonly #deps: LevelRunsDeps;
  readonly #node: string;
  readonly #entries = new Map<string, Entry>();
  /** In the order in which they ended. */
  readonly #ended = new Map<string, Entry>();
  readonly #runningIds = new Set<string>();
  readonly #timers = new Set<Promise<void>>();
  #endedBytes = 0;
  #ran = 0;
  #refused = 0;

  constructor(deps: LevelRunsDeps, node: string) {
    this.#deps = deps;
    this.#node = node;
  }

  stats(): { readonly ran: number; readonly refused: number; readonly open: number } {
    return { ran: this.#ran, refused: this.#refused, open: this.#entries.size - this.#ended.size };
  }

  /**
   * `answer` hears the outcome once, at the deadline at the latest; perhaps before this returns. `address`: where it leads; asked again
   * from there while it runs, the later answer is told instead.
   */
  run(run: LevelRun, address: string, answer: Answer): void {
    const key = `${run.caller} ${run.id}`;
    const known = this.#entries.get(key);
    if (known === undefined) {
      const reason = this.#refusalOf(run);
      if (reason === undefined) this.#start(key, run, address, answer);
      else this.#refuse(answer, reason);
    } else if (known.name !== run.name) this.#refuse(answer, "another call has had this id");
    else if (known.outcome === undefined) known.answers.set(address, answer);
    else answer(known.outcome);
  }

  /** The node stops: says so while there is still somebody to hear it. */
  endAll(): void {
    for (const [key, entry] of this.#entries) {
      if (entry.outcome === undefined) this.#end(key, entry, { status: "failed", reason: "the node stops" });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.endAll();
    for (const [key, entry] of this.#entries) this.#forget(key, entry);
    await Promise.all(this.#timers);
  }

  #refuse(answer: Answer, reason: string): void {
    this.#refused++;
    answer({ status: "refused", reason });
  }

  #refusalOf({ id, condition }: LevelRun): string | undefined {
    const checked = this.#deps.check(condition);
    if ("error" in checked) return `the condition cannot be used: ${checked.error}`;
    if (!checked.holds) return `the condition does not hold on ${this.#node}`;
    if (this.#runningIds.has(id)) return "a call of somebody else with this id is under way";
    if (this.#entries.size < limits.openCalls || this.#forgetOldest()) return undefined;
    return `this node follows ${limits.openCalls} calls already: try again later`;
  }

  #start(key: string, run: LevelRun, address: string, answer: Answer): void {
    const { id, name, args, origin, ttlMs, encoding } = run;
    const { runner, clock } = this.#deps;
    const entry: Entry = {
      name,
      id,
      answers: new Map([[address, answer]]),
      forgotten: new AbortController(),
      outcome: undefined,
      bytes: 0,
    };
    this.#entries.set(key, entry);
    this.#runningIds.add(id);
    const timer = clock.sleep(ttlMs, entry.forgotten.signal).then(
      () => {
        this.#end(key, entry, timedOut);
        this.#forget(key, entry);
      },
      () => undefined,
    );
    this.#timers.add(timer);
    void timer.finally(() => this.#timers.delete(timer));
    const dueMs = clock.monotonic() + ttlMs;
    const topic = `${levelFunctionPrefix}${name}`;
    runner.start({ id, name, args, origin, dueMs, isRepeatable: false, encoding, topic }, (outcome) =>
      this.#end(key, entry, levelOutcomeOf(outcome)),
    );
  }

  #end(key: string, entry: Entry, outcome: LevelOutcome): void {
    if (entry.outcome !== undefined) return;
    entry.outcome = outcome;
    entry.bytes = entryBytes + (outcome.status === "ok" ? encodeReply(outcome.value, "cbor").length : 0);
    this.#runningIds.delete(entry.id);
    this.#deps.runner.cancel(entry.id);
    this.#ended.set(key, entry);
    this.#endedBytes += entry.bytes;
    // What was refused has not run: it may be asked for again.
    if (outcome.status === "refused") {
      this.#refused++;
      this.#forget(key, entry);
    } else this.#ran++;
    while (this.#endedBytes > limits.levelOutcomeBytes) this.#forgetOldest();
    for (const answer of entry.answers.values()) answer(outcome);
    entry.answers.clear();
  }

  /** False when all that are known are under way. */
  #forgetOldest(): boolean {
    for (const [key, entry] of this.#ended) {
      this.#forget(key, entry);
      return true;
    }
    return false;
  }

  #forget(key: string, entry: Entry): void {
    entry.forgotten.abort();
    this.#entries.delete(key);
    if (this.#ended.delete(key)) this.#endedBytes -= entry.bytes;
  }
}

function levelOutcomeOf(outcome: Outcome): LevelOutcome {
  if (outcome.status === "done") return { status: "ok", value: outcome.value };
  return outcome.status === "expired"
    ? { status: "timeout", reason: outcome.reason }
    : { ...outcome, status: outcome.status };
}
