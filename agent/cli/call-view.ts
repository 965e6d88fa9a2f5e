// What `fogbank call` shows: how far the call is in one line, and in the end a table with a sentence below it.
import type { CallStatus } from "#shared/machine/receipt.ts";
import type { LevelStatus } from "#shared/level/outcome.ts";
import type { CallReport, LevelAnswer, NodeAnswer } from "./call-reply.ts";
import { formatTime } from "./quantities.ts";
import { type Cell, renderTable } from "./render-table.ts";
import { cut, type Paint, painted, printable, type TextStyle } from "./text-style.ts";

/** In the order in which they are told. */
const paints: Readonly<Record<CallStatus, Paint>> = {
  done: "good",
  failed: "bad",
  refused: "bad",
  expired: "bad",
  cancelled: "bad",
  started: "doubtful",
  queued: "doubtful",
};

/** Names in a sentence; the rest is counted. */
const namesMax = 10;

/** Somebody matched, all of them are done, and nobody is unheard. */
export function isSuccess({ counts, waiting }: CallReport): boolean {
  return counts.matched > 0 && counts.done === counts.matched && waiting.length === 0;
}

/** `3 matched: 1 done, 2 started · waiting for fog-2` */
export function progressText({ counts, waiting }: CallReport, style: TextStyle): string {
  const awaited = waiting.length === 0 ? "" : `waiting for ${listed(waiting.map(({ node }) => node))}`;
  return [countsText(counts), awaited].filter((part) => part !== "").join(style.unicode ? " · " : " - ");
}

/** `40 matched: 37 done, 3 failed; not heard: fog-2 since 12:03:11Z`. `now`: ISO 8601; other days are named. */
export function summaryText({ counts, waiting }: CallReport, now: string): string {
  const matched = counts.matched === 0 ? "no node matched the condition" : countsText(counts);
  if (waiting.length === 0) return matched;
  return `${matched}; not heard: ${listed(waiting.map(({ node, since }) => `${node} since ${momentText(since, now)}`))}`;
}

/** Every result, and the summary. */
export function renderReport(report: CallReport, style: TextStyle, now: string): string {
  const { results, omitted = 0 } = report;
  const line = (text: string, paint: Paint): string =>
    `${painted(cut(printable(text), style.columns ?? Infinity, style), paint, style)}\n`;
  return [
    results.length === 0 ? "" : renderAnswers(results, style),
    omitted === 0 ? "" : line(`and ${omitted} more that the reply leaves out`, "dim"),
    results.length === 0 ? "" : "\n",
    line(summaryText(report, now), isSuccess(report) ? "plain" : "bad"),
  ].join("");
}

/** A table, ordered by the nodes' names. */
export function renderAnswers(answers: readonly NodeAnswer[], style: TextStyle): string {
  const rows = answers
    .toSorted((a, b) => byName.compare(a.node, b.node))
    .map(({ node, status, value, reason }): readonly Cell[] => [
      { text: node },
      { text: status, paint: paints[status] },
      { text: status === "done" ? JSON.stringify(value ?? null) : (reason ?? "") },
    ]);
  return renderTable([{ title: "NODE" }, { title: "STATUS" }, { title: "RESULT" }], rows, style);
}

const levelPaints: Readonly<Record<LevelStatus, Paint>> = {
  ok: "good",
  failed: "bad",
  refused: "bad",
  timeout: "bad",
  unreachable: "doubtful",
};

/** A table of levels, in the order in which they answered. */
export function renderOutcomes(outcomes: readonly LevelAnswer[], style: TextStyle): string {
  const rows = outcomes.map(({ level = "-", node = "-", status, value, reason }): readonly Cell[] => [
    { text: level },
    { text: node },
    { text: status, paint: levelPaints[status] },
    { text: status === "ok" ? JSON.stringify(value ?? null) : (reason ?? "") },
  ]);
  const titles = ["LEVEL", "NODE", "STATUS", "RESULT"].map((title) => ({ title }));
  return renderTable(titles, rows, style);
}

const byName = new Intl.Collator("en", { numeric: true });

function countsText(counts: CallReport["counts"]): string {
  const parts = (Object.keys(paints) as CallStatus[])
    .filter((status) => counts[status] > 0)
    .map((status) => `${counts[status]} ${status}`);
  return [`${counts.matched} matched`, ...(parts.length === 0 ? [] : [parts.join(", ")])].join(": ");
}

function listed(names: readonly string[]): string {
  const more = names.length - namesMax;
  return names.slice(0, namesMax).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function momentText(time: string, now: string): string {
  const [day, moment] = formatTime(time).split(" ");
  return day === formatTime(now).split(" ")[0] && moment !== undefined ? moment : formatTime(time);
}
