// What figures are to reach, beside what they are. Pure.
import { renderMarkdown, renderTable } from "./table.ts";

export type Verdict = "reached" | "missed" | "not measured";

export interface Target {
  readonly name: string;
  readonly bound: string;
  /** NaN when a run has failed, or the case is not supported. */
  readonly figure: number;
  readonly verdict: Verdict;
}

export function target(name: string, bound: string, figure: number, isReached: (figure: number) => boolean): Target {
  const verdict = Number.isNaN(figure) ? "not measured" : isReached(figure) ? "reached" : "missed";
  return { name, bound, figure, verdict };
}

/** No lines when there are no targets. */
export function renderTargets(targets: readonly Target[], isMarkdown: boolean): readonly string[] {
  if (targets.length === 0) return [];
  const rows = targets.map(({ name, bound, figure, verdict }) => ({
    name,
    figures: { figure },
    note: `${bound}: ${verdict}`,
  }));
  return (isMarkdown ? renderMarkdown : renderTable)("target", [{ key: "figure", heading: "figure", digits: 2 }], rows);
}
