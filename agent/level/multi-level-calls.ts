// Calls at several levels: a client of this node names levels of the path to the root, each of them runs the function on itself, and the
// client hears one outcome of each [J11] [J12].
import { destinationsOf } from "#shared/level/destinations.ts";
import { levelProblemOnTheWay, type LevelAnswer, type LevelRequest } from "#shared/level/frames.ts";
import { newLevelCall, type Leg, type LevelCallEffect } from "#shared/level/level-call.ts";
import type { LevelOutcome } from "#shared/level/outcome.ts";
import { parseLevelsRequest, type LevelsRequest, type RefusedRequest } from "#shared/level/request.ts";
import type { NodeName } from "#shared/ids.ts";
import { limits } from "#shared/limits.ts";
import type { PathHop } from "#shared/link/hello.ts";
import { drawCallId } from "#shared/machine/call-id.ts";
import { isFunctionName } from "#shared/machine/envelope.ts";
import type { PlainValue } from "#shared/machine/plain-value.ts";
import { readRequestProperties } from "#shared/machine/request-properties.ts";
import type { Bus, InboundPublish } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Random } from "#shared/system/random.ts";
import { levelCallFilter, levelCallPrefix } from "#shared/topics.ts";
import type { CheckCondition, LevelRuns } from "./level-runs.ts";
import { OpenLevelCall } from "./open-level-call.ts";
import { answeringOf, repetitionRefused, type ReplyTo, type SendReply } from "./replies.ts";

export interface MultiLevelCallsDeps {
  readonly bus: Pick<Bus, "intercept" | "rightsOf">;
  readonly runs: LevelRuns;
  readonly reply: SendReply;
  /** This node first, the root last. */
  readonly path: () => readonly PathHop[];
  /** Sends a request up. False when there is no link. */
  readonly send: (request: Omit<LevelRequest, "via">) => boolean;
  readonly check: CheckCondition;
  readonly clock: Clock;
  readonly treeNow: () => number;
  readonly random: Random;
}

interface Followed {
  readonly name: string;
  readonly request: LevelsRequest;
  /** By topic. */
  readonly callers: Map<string, ReplyTo>;
  readonly outcomes: PlainValue[];
  readonly open: OpenLevelCall;
}

export class MultiLevelCalls implements Disposable {
  readonly #deps: MultiLevelCallsDeps;
  readonly #node: NodeName;
  readonly #calls = new Map<string, Followed>();
  readonly #intercepting: Disposable;
  #stats = { accepted: 0, refused: 0 };

  constructor(deps: MultiLevelCallsDeps, node: NodeName) {
    this.#deps = deps;
    this.#node = node;
    this.#intercepting = deps.bus.intercept(levelCallFilter, (publish, settle) => {
      settle({ type: "take" });
      this.#take(publish);
    });
  }

  stats(): { readonly accepted: number; readonly refused: number } {
    return this.#stats;
  }

  answered({ id, target, attempt, outcome }: LevelAnswer): void {
    this.#calls.get(id)?.open.dispatch({ type: "outcome", node: target, attempt, outcome });
  }

  /** A session with the parent has begun. */
  linked(): void {
    for (const { open } of this.#calls.values()) open.dispatch({ type: "linked" });
  }

  endAll(): void {
    const outcome: LevelOutcome = { status: "failed", reason: "the node stops" };
    for (const { open } of this.#calls.values()) open.dispatch({ type: "stop", outcome });
  }

  [Symbol.dispose](): void {
    this.#intercepting[Symbol.dispose]();
    this.endAll();
  }

  #take(publish: InboundPublish): void {
    const name = publish.topic.slice(levelCallPrefix.length);
    const properties = readRequestProperties(publish);
    const request = parseLevelsRequest(publish.payload, properties);
    const { encoding, id = drawCallId(this.#deps.random) } = request;
    const { bus } = this.#deps;
    const { topic, closed } = answeringOf(bus, publish, this.#node, { id, wanted: request.reply });
    const to: ReplyTo = { topic, correlation: properties.correlation, encoding };
    const known = this.#calls.get(id);
    const refused = this.#refusalOf(id, name, request, publish, known) ?? closed;
    if (refused !== undefined || "refused" in request) {
      this.#stats.refused++;
      const error = { code: "FOGBANK_CALL_REFUSED", message: refused ?? "" };
      this.#deps.reply(to, { id, final: true, error });
    } else if (known === undefined) this.#begin(id, name, request, to);
    else known.callers.set(topic, to); // asked again: hears what comes from now on, and the last word
  }

  #refusalOf(
    id: string,
    name: string,
    request: LevelsRequest | RefusedRequest,
    { repeated = false }: InboundPublish,
    known: Followed | undefined,
  ): string | undefined {
    if ("refused" in request) return request.refused;
    if (!isFunctionName(name)) return `"${name.slice(0, 80)}" cannot be a function's name`;
    const checked = this.#deps.check(request.condition);
    if ("error" in checked) return `the condition cannot be used: ${checked.error}`;
    const problem = levelProblemOnTheWay({ ...request, id, name });
    if (problem !== undefined) return problem;
    if (known !== undefined && known.name !== name) return "another call has this id";
    if (known === undefined && this.#calls.size >= limits.openCalls)
      return `this node follows ${limits.openCalls} calls already: try again later`;
    return repetitionRefused(repeated, request.id);
  }

  #begin(id: string, name: string, request: LevelsRequest, to: ReplyTo): void {
    this.#stats.accepted++;
    const { levels, order, mode, timeoutMs } = request;
    const destinations = destinationsOf(levels, order, this.#deps.path(), (ms) => new Date(ms).toISOString());
    const call = newLevelCall(mode, timeoutMs, destinations);
    const open = new OpenLevelCall(this.#deps.clock, call, (effect) => this.#perform(id, effect));
    this.#calls.set(id, { name, request, callers: new Map([[to.topic, to]]), outcomes: [], open });
    open.dispatch({ type: "begin" });
  }

  #perform(id: string, effect: LevelCallEffect): void {
    const followed = this.#calls.get(id);
    if (followed === undefined) return;
    const { name, request, outcomes, open } = followed;
    const { args, condition, encoding } = request;
    switch (effect.type) {
      case "run": {
        const { timeoutMs: ttlMs } = effect;
        const run = { caller: "", id, name, args, origin: this.#node, condition, ttlMs, encoding };
        this.#deps.runs.run(run, `call ${id}`, (outcome) =>
          open.dispatch({ type: "outcome", node: this.#node, attempt: 1, outcome }),
        );
        return;
      }
      case "ask": {
        const { node: target } = effect.leg.destination;
        if (target === undefined) return;
        const deadlineMs = this.#deps.treeNow() + effect.leftMs;
        this.#deps.send({ id, name, args, condition, encoding, target, deadlineMs, attempt: effect.attempt });
        return;
      }
      case "report": {
        const told = reportOf(effect.leg, effect.outcome);
        outcomes.push(told);
        this.#tell(followed, { id, final: false, outcomes: [told] });
        return;
      }
      case "finish":
        this.#calls.delete(id);
        this.#tell(followed, { id, final: true, ok: effect.ok, outcomes });
        return;
    }
  }

  #tell({ callers }: Followed, value: PlainValue): void {
    for (const to of callers.values()) this.#deps.reply(to, value);
  }
}

function reportOf({ destination: { level, node } }: Leg, outcome: LevelOutcome): PlainValue {
  return { ...(level !== undefined && { level }), ...(node !== undefined && { node }), ...outcome };
}
