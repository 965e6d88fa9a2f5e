// The elections of one simulated server: who responds to each device's message.
import type { Fellow } from "#shared/fellows/fellow.ts";
import {
  newElection,
  stepElection,
  type Election,
  type ElectionEffect,
  type ElectionEvent,
} from "#shared/fellows/responder-election.ts";
import { scoreOf } from "#shared/fellows/server-score.ts";
import type { Seeded } from "../../scripts/torture/seeded.ts";
import type { EventQueue } from "./event-queue.ts";
import type { FellowCoordinator } from "./fellow-coordinator.ts";

export interface ElectionLog {
  /** It has written the document and responded, and could not say so yet. */
  answered(message: string, server: string): void;
  /** What it has answered without saying so may be answered again. */
  excused(message: string): void;
  isAnswering(message: string, server: string, is: boolean): void;
}

interface ElectionDeps {
  readonly queue: EventQueue;
  readonly random: Seeded;
  readonly coordinator: FellowCoordinator;
  readonly log: ElectionLog;
  readonly session: () => "up" | "cut" | "lost";
  /** Which session with the coordinator. */
  readonly number: () => number;
  readonly electors: () => number;
}

interface Running {
  state: Election;
  /** Which answering is under way: one that was stopped does not end. */
  answering: number;
}

export class FellowElections {
  readonly #fellow: Fellow;
  readonly #deps: ElectionDeps;
  readonly #running = new Map<string, Running>();
  #isAbandoned = false;

  constructor(fellow: Fellow, deps: ElectionDeps) {
    this.#fellow = fellow;
    this.#deps = deps;
  }

  /** Messages whose election has not ended here. */
  get open(): readonly string[] {
    return [...this.#running].filter(([, { state }]) => state.at !== "over").map(([message]) => message);
  }

  begin(message: string): void {
    const { random, queue, electors, session } = this.#deps;
    const score = scoreOf({ manual: 10, zone: random.between(1, 3), load: random.between(0, 4) / 4 });
    const { uuid, hostname } = this.#fellow;
    const [state, effects] = newElection({ uuid, hostname, score }, electors(), queue.nowMs);
    this.#running.set(message, { state, answering: 0 });
    this.#perform(message, effects);
    if (session() === "lost") this.#step(message, { type: "session-lost" });
    if (session() === "up") this.#view(message);
  }

  look(): void {
    for (const message of this.open) this.#view(message);
  }

  tick(): void {
    for (const message of this.open) this.#step(message, { type: "tick" });
  }

  loseSession(): void {
    this.#excuse();
    for (const message of this.open) this.#step(message, { type: "session-lost" });
  }

  regainSession(): void {
    for (const message of this.open) this.#step(message, { type: "session-regained" });
  }

  abandon(): void {
    this.#excuse();
    this.#isAbandoned = true;
    for (const message of this.#running.keys()) this.#deps.log.isAnswering(message, this.#fellow.uuid, false);
    this.#running.clear();
  }

  #excuse(): void {
    for (const message of this.open)
      if (this.#running.get(message)?.state.hasAnswered === true) this.#deps.log.excused(message);
  }

  #view(message: string): void {
    if (this.#running.get(message)?.state.at === "suspended") return;
    const { coordinator, number } = this.#deps;
    this.#step(message, { type: "view", ...coordinator.electionOf(message, this.#fellow.uuid, number()) });
  }

  #step(message: string, event: ElectionEvent): void {
    const running = this.#running.get(message);
    if (running === undefined) return;
    const [state, effects] = stepElection(running.state, event, this.#deps.queue.nowMs);
    running.state = state;
    this.#perform(message, effects);
  }

  #perform(message: string, effects: readonly ElectionEffect[]): void {
    for (const effect of effects) {
      if (effect.type === "answer") this.#answer(message);
      else if (effect.type === "stop") this.#stop(message);
      else this.#deps.queue.in(this.#deps.random.between(1, 40), () => this.#write(message, effect));
    }
  }

  /** While the connection is cut what is written gets lost. */
  #write(message: string, effect: ElectionEffect): void {
    const { coordinator, session, number } = this.#deps;
    const { uuid } = this.#fellow;
    if (this.#isAbandoned || session() !== "up") return;
    if (effect.type === "offer") coordinator.offer(message, number(), effect.offer);
    if (effect.type === "withdraw") coordinator.withdraw(message, uuid);
    if (effect.type === "name") coordinator.write(message, effect.ifVersion, { uuid: effect.uuid, isFinished: false });
    if (effect.type === "finish") coordinator.write(message, effect.ifVersion, { uuid, isFinished: true });
  }

  #answer(message: string): void {
    const running = this.#running.get(message);
    if (running === undefined) return;
    const answering = ++running.answering;
    this.#deps.log.isAnswering(message, this.#fellow.uuid, true);
    this.#deps.queue.in(this.#deps.random.between(5, 400), () => {
      if (this.#isAbandoned || running.answering !== answering) return;
      this.#deps.log.isAnswering(message, this.#fellow.uuid, false);
      this.#deps.log.answered(message, this.#fellow.uuid);
      this.#step(message, { type: "answered" });
    });
  }

  #stop(message: string): void {
    const running = this.#running.get(message);
    if (running !== undefined) running.answering++;
    this.#deps.log.isAnswering(message, this.#fellow.uuid, false);
  }
}
