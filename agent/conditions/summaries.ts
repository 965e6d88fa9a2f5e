// What the children report, as summaries that conditions are evaluated against.
import type { Condition } from "#shared/condition/condition.ts";
import { namesIn } from "#shared/condition/names.ts";
import { StepBudget } from "#shared/condition/step-budget.ts";
import {
  mayHoldFor,
  profileOf,
  summarize,
  summarizeAlike,
  type Member,
  type Summary,
} from "#shared/condition/summary.ts";
import { isInDoubt, type ChildPresence, type EarlierReport } from "#shared/link/child-presence.ts";
import type { Descendant, NodePlace } from "#shared/link/descendant.ts";
import { limits } from "#shared/limits.ts";
import type { Clock } from "#shared/system/clock.ts";
import { membersOf } from "./members.ts";

/** What is asked of the tree around the node. */
export interface ReportedTree {
  child(name: string): ChildPresence | undefined;
  children(): readonly ChildPresence[];
  /** This node as a hop, and what is above it. */
  path(): readonly unknown[];
}

export interface SummaryStats {
  /** Answers that a condition certainly does not hold below a child. */
  readonly pruned: number;
  /** Evaluations that ran out of steps, so that the answer was that it may hold. */
  readonly unfinished: number;
}

/** The summary of a child's last report. */
interface Current {
  readonly place: NodePlace;
  readonly descendants: readonly Descendant[];
  readonly depth: number | undefined;
  readonly summary: Summary;
  /** Kept as long as the conditions themselves are kept parsed. */
  readonly answers: WeakMap<Condition, boolean>;
  /** Of a single node: all that are like it. */
  readonly alike: Answered | undefined;
}

/** A summary with what conditions came to. */
interface Answered {
  readonly summary: Summary;
  readonly answers: WeakMap<Condition, boolean>;
}

/** Kinds of single nodes that answers are kept for: beyond that they are forgotten and worked out anew. */
const profilesMax = 10_000;

export class Summaries {
  readonly #tree: ReportedTree;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #currentByChild = new Map<string, Current>();
  readonly #earlier = new WeakMap<EarlierReport, Summary>();
  readonly #depth: DepthWatch;
  /** By what children without anything below them have said of themselves, but for name and position. */
  readonly #alike = new Map<string, Answered>();
  /** Names that a condition asks for, kept as long as the conditions themselves are. */
  readonly #names = new WeakMap<Condition, { readonly names: ReadonlySet<string> | undefined }>();
  #stats = { pruned: 0, unfinished: 0 };
  /** Steps that are left in the second that began then. */
  #second = Number.NEGATIVE_INFINITY;
  #stepsLeft = 0;

  constructor(tree: ReportedTree, clock: Pick<Clock, "monotonic">) {
    this.#tree = tree;
    this.#clock = clock;
    this.#depth = new DepthWatch(tree, clock);
  }

  stats(): SummaryStats {
    return this.#stats;
  }

  /** False: `condition` certainly holds neither for the child nor for anything below it. */
  mayHold(condition: Condition, name: string): boolean {
    const may = this.#mayHold(condition, name);
    if (!may) this.#stats.pruned++;
    return may;
  }

  #mayHold(condition: Condition, name: string): boolean {
    const child = this.#tree.child(name);
    // Nothing known since before this node's start, more than it could report, or not all of it yet: anything may be below it.
    if (child === undefined || (child.epoch === undefined && child.wasLeaf !== true)) return true;
    if (child.descendants.length >= limits.descendants || isInDoubt(child)) return true;
    if (isLeaf(child) && this.#namesIn(condition)?.has(name) === false) return false;
    if (condition.tree === undefined || this.#mayHoldNow(condition, child)) return true;
    const nowMs = this.#clock.monotonic();
    return (child.earlier ?? []).some(
      (report) => report.untilMonotonicMs > nowMs && this.#evaluate(condition, this.#summaryOf(child, report)).may,
    );
  }

  #namesIn(condition: Condition): ReadonlySet<string> | undefined {
    const known = this.#names.get(condition);
    if (known !== undefined) return known.names;
    const names = namesIn(condition);
    this.#names.set(condition, { names });
    return names;
  }

  #mayHoldNow(condition: Condition, child: ChildPresence): boolean {
    const { alike, ...current } = this.#current(child);
    if (alike === undefined) return this.#answer(condition, current);
    // What is ruled out for one is for all that are like it.
    return this.#answer(condition, alike) && this.#evaluate(condition, current.summary).may;
  }

  #answer(condition: Condition, { summary, answers }: Answered): boolean {
    const known = answers.get(condition);
    if (known !== undefined) return known;
    const { may, isCertain } = this.#evaluate(condition, summary);
    if (isCertain) answers.set(condition, may);
    return may;
  }

  #likes(member: Member): Answered {
    const profile = profileOf(member);
    const known = this.#alike.get(profile);
    if (known !== undefined) return known;
    if (this.#alike.size >= profilesMax) this.#alike.clear();
    const alike: Answered = { summary: summarizeAlike(member), answers: new WeakMap() };
    this.#alike.set(profile, alike);
    return alike;
  }

  #current(child: ChildPresence): Current {
    const { name, place, descendants } = child;
    const depth = this.#depth.ofChildren();
    const known = this.#currentByChild.get(name);
    if (known?.descendants === descendants && known.place === place && known.depth === depth) return known;
    const members = membersOf(child, depth);
    const [first] = members;
    const alike = members.length === 1 && first !== undefined ? this.#likes(first) : undefined;
    const current: Current = { place, descendants, depth, summary: summarize(members), answers: new WeakMap(), alike };
    this.#currentByChild.set(name, current);
    return current;
  }

  #summaryOf({ name }: ChildPresence, report: EarlierReport): Summary {
    const known = this.#earlier.get(report);
    if (known !== undefined) return known;
    const summary = summarize(membersOf({ name, ...report }, undefined));
    this.#earlier.set(report, summary);
    return summary;
  }

  #evaluate(condition: Condition, summary: Summary): { readonly may: boolean; readonly isCertain: boolean } {
    const nowMs = this.#clock.monotonic();
    if (nowMs - this.#second >= 1_000) {
      this.#second = nowMs;
      this.#stepsLeft = limits.summaryStepsPerSecond;
    }
    const steps = new StepBudget(Math.min(limits.summarySteps, this.#stepsLeft));
    const may = mayHoldFor(condition, summary, steps);
    this.#stepsLeft = Math.max(0, this.#stepsLeft - steps.taken);
    if (steps.isSpent) this.#stats.unfinished++;
    return { may, isCertain: !steps.isSpent };
  }
}

/** Nothing is known below it, nor was there lately. */
function isLeaf({ descendants, earlier = [] }: ChildPresence): boolean {
  return descendants.length === 0 && earlier.every((report) => report.descendants.length === 0);
}

/** How far below the root the children are. While the path changes, they may have been told something else. */
class DepthWatch {
  readonly #tree: ReportedTree;
  readonly #clock: Pick<Clock, "monotonic">;
  #depth: number | undefined;
  #changedAtMs = 0;

  constructor(tree: ReportedTree, clock: Pick<Clock, "monotonic">) {
    this.#tree = tree;
    this.#clock = clock;
  }

  /** Undefined while that is not certain. */
  ofChildren(): number | undefined {
    const depth = this.#tree.path().length;
    const nowMs = this.#clock.monotonic();
    if (depth !== this.#depth) {
      this.#depth = depth;
      this.#changedAtMs = nowMs;
    }
    return nowMs - this.#changedAtMs < limits.earlierReportsMs ? undefined : depth;
  }
}
