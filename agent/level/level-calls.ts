// Functions of levels: of this one alone, of several at once, and what nodes below ask of this one. Nothing of it is ever published on
// another node: between nodes go requests for one node each, and their outcomes [T2].
//
//   client ──▶ level-functions ──────────────────────────┐
//   client ──▶ multi-level-calls ─┬─▶ this node ─────────┼─▶ level-runs ──▶ function runner
//                                 └─▶ directed-requests ─┼──▶ parent
//   child  ──▶ directed-requests ─┬──────────────────────┘
//                                 └──▶ parent
import type { NodeName } from "#shared/ids.ts";
import type { PathHop } from "#shared/link/hello.ts";
import type { Bus } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { ParentLink } from "#shared/system/parent-link.ts";
import type { Random } from "#shared/system/random.ts";
import type { FunctionRunner } from "../functions/function-runner.ts";
import { DirectedRequests, type DirectedStats } from "./directed-requests.ts";
import { startLevelFunctions } from "./level-functions.ts";
import { type CheckCondition, LevelRuns } from "./level-runs.ts";
import { MultiLevelCalls } from "./multi-level-calls.ts";
import { createReplies } from "./replies.ts";

export interface LevelDeps {
  readonly bus: Pick<Bus, "intercept" | "publish" | "rightsOf">;
  readonly parent: ParentLink;
  /** This node first, the root last. */
  readonly path: () => readonly PathHop[];
  readonly runner: FunctionRunner;
  readonly check: CheckCondition;
  readonly clock: Clock;
  /** Tree time, milliseconds since 1970. */
  readonly treeNow: () => number;
  readonly random: Random;
  readonly log: Logger;
}

/** Counts since the start; `open`: functions that are running now. */
export interface LevelStats extends DirectedStats {
  readonly ran: number;
  readonly open: number;
  /** Calls at several levels. */
  readonly accepted: number;
  /** Requests and runs. */
  readonly refused: number;
}

export interface LevelCalls extends AsyncDisposable {
  stats(): LevelStats;
  /** Says the last word on every call, while there is still somebody to hear it. */
  endAll(): void;
}

/** Answers until it is disposed. */
export function startLevelCalls(deps: LevelDeps, node: NodeName): LevelCalls {
  const { bus, parent, path, runner, check, clock, treeNow, random, log } = deps;
  const stack = new AsyncDisposableStack();
  const reply = createReplies({ bus, log });
  const runs = stack.use(new LevelRuns({ runner, check, clock }, node));
  const isRoot = (): boolean => path()[0]?.uplink === "root";
  const directed: DirectedRequests = stack.use(
    new DirectedRequests(
      { bus, parent, runs, isRoot, treeNow, onAnswer: (answer) => calls.answered(answer), log },
      node,
    ),
  );
  const calls: MultiLevelCalls = stack.use(
    new MultiLevelCalls(
      { bus, runs, reply, path, send: (request) => directed.send(request), check, clock, treeNow, random },
      node,
    ),
  );
  stack.use(parent.onUp(() => calls.linked()));
  const functions = stack.use(startLevelFunctions({ bus, runs, reply, random }, node));
  return {
    stats() {
      const { ran, open, refused } = runs.stats();
      const { accepted, refused: badCalls } = calls.stats();
      return { ran, open, accepted, refused: refused + badCalls + functions.refused(), ...directed.stats() };
    },
    endAll() {
      calls.endAll();
      runs.endAll();
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
