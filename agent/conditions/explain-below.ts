// What a condition comes to on each node below, as far as that can be told from what they report.
import type { Condition } from "#shared/condition/condition.ts";
import { StepBudget } from "#shared/condition/step-budget.ts";
import { viewOfMember } from "#shared/condition/summary.ts";
import { explainIn } from "#shared/condition/why.ts";
import { limits } from "#shared/limits.ts";
import type { ConditionVerdict } from "#shared/reports.ts";
import { membersOf } from "./members.ts";
import type { ReportedTree } from "./summaries.ts";

/** Every child with what is below it, in the order in which they report it. */
export function explainBelow(
  condition: Condition,
  { name, tree }: { readonly name: string; readonly tree: ReportedTree },
): readonly ConditionVerdict[] {
  const steps = new StepBudget(limits.explanationSteps);
  const depth = tree.path().length;
  return tree.children().flatMap((child) => {
    const parents = [name, ...child.descendants.map(({ parent }) => parent)];
    return membersOf(child, depth).map((member, at): ConditionVerdict => {
      const place = { node: member.name, parent: parents[at] ?? name };
      if (!steps.isSpent) return { ...place, ...explainIn(condition, viewOfMember(member), steps) };
      return { ...place, result: "unknown", why: "it would take too many steps to tell for all nodes" };
    });
  });
}
