// What conditions come to on this node, and whether they may hold for anything below it.
//
// Of what is below only reports are known. A child's is kept as a summary until it reports something else; what it said shortly before
// is believed too, so that a node on its way from one place to another is not missed [J-T4]. In doubt the answer is that it may hold.
import { ConditionCache } from "#shared/condition/condition-cache.ts";
import type { Condition } from "#shared/condition/condition.ts";
import { evaluateCondition } from "#shared/condition/evaluate.ts";
import type { Subject } from "#shared/condition/subject.ts";
import { viewOf } from "#shared/condition/view.ts";
import { explainIn, type Verdict } from "#shared/condition/why.ts";
import type { NodePlace } from "#shared/link/descendant.ts";
import type { ConditionReport } from "#shared/reports.ts";
import type { Clock } from "#shared/system/clock.ts";
import { explainBelow } from "./explain-below.ts";
import type { DataWindows } from "./data-windows.ts";
import { Summaries, type ReportedTree, type SummaryStats } from "./summaries.ts";

export interface Conditions {
  /** Evaluates for this node. The error says line and column. */
  check(text: string): { readonly holds: boolean } | ConditionFault;
  /** Whether it may hold for the child or anything below it. True when in doubt. */
  mayHoldBelow(text: string, child: string): boolean;
  /** As `check`, with the part that decided. Never unknown. */
  explainHere(text: string): Verdict | ConditionFault;
  /** For this node, and as far as it can be told for everything below it. */
  explain(text: string): ConditionReport | ConditionFault;
  stats(): SummaryStats;
}

/** Why a text is no condition, with line and column. */
export interface ConditionFault {
  readonly error: string;
}

export interface ConditionsDeps {
  readonly tree: ReportedTree;
  readonly clock: Pick<Clock, "monotonic">;
  readonly data: Pick<DataWindows, "read">;
}

export interface ConditionsSelf {
  readonly name: string;
  readonly place: NodePlace;
  readonly named: ReadonlyMap<string, Condition>;
}

export function createConditions(deps: ConditionsDeps, self: ConditionsSelf): Conditions {
  const cache = new ConditionCache();
  const summaries = new Summaries(deps.tree, deps.clock);
  const { level, zone, tags, site } = self.place;
  const fields = { level, zone, tags, ...site, name: self.name, named: self.named };
  const data = (path: string): ReturnType<DataWindows["read"]> => deps.data.read(path);

  return {
    check(text) {
      const parsed = parse(text);
      return "error" in parsed ? parsed : { holds: evaluateCondition(parsed.ok, subject()) };
    },
    mayHoldBelow(text, child) {
      const parsed = parse(text);
      return "error" in parsed || summaries.mayHold(parsed.ok, child);
    },
    stats: () => summaries.stats(),
    explainHere(text) {
      const parsed = parse(text);
      return "error" in parsed ? parsed : explainHere(parsed.ok);
    },
    explain(text) {
      const parsed = parse(text);
      if ("error" in parsed) return parsed;
      const below = explainBelow(parsed.ok, { name: self.name, tree: deps.tree });
      return { condition: text, nodes: [{ node: self.name, ...explainHere(parsed.ok) }, ...below] };
    },
  };

  function parse(text: string): { readonly ok: Condition } | ConditionFault {
    const parsed = cache.parse(text);
    if ("ok" in parsed) return parsed;
    const { message, position } = parsed.error;
    return { error: `line ${position.line}, column ${position.column}: ${message}` };
  }

  function subject(): Subject {
    return { ...fields, depth: deps.tree.path().length - 1, data };
  }

  /** The node's own view knows all that there is to know: what has no answer is false. */
  function explainHere(condition: Condition): Verdict {
    const { result, why } = explainIn(condition, viewOf(subject()));
    return { result: result === "unknown" ? "false" : result, why };
  }
}
