// What `fogbank call` shows: how far the call is in one line, and in the end a table with a sentence below it.
import type { CallStatus } from "#shared/machine/receipt.ts";
import type { LevelStatus } from "#shared/level/outcome.ts";
import { byName } from "./by-name.ts";
import type { CallReport, LevelAnswer, NodeAnswer, UnheardNode } from "./call-reply.ts";
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

/** Somebody matched, all of them are done or as many as were asked for, and unless that is enough nobody is unheard. */
export function isSuccess({ counts, waiting, confirmed }: CallReport): boolean {
  return confirmed ?? (isAllDone(counts) && waiting.length === 0);
}

/** Somebody matched, and all of them are done: of those that were heard. */
export function isAllDone(counts: CallReport["counts"]): boolean {
  return counts.matched > 0 && counts.done === counts.matched;
}

/**
 * `3 matched: 1 done, 2 started · 1 waiting at fog-2: device-7`, and how long it goes on when only those that are away are waited for.
 * `until`, `now`: ISO 8601.
 */
export function progressText(
  { counts, waiting, waitingOmitted, settled = false }: CallReport,
  style: TextStyle,
  { until, now }: { readonly until: string; readonly now: string },
): string {
  const names = listed(
    waiting.map(({ node }) => node),
    waitingOmitted,
  );
  const awaited = waiting.length === 0 ? [] : [`${waitingText(waiting)}: ${names}`];
  const open = settled ? [`open until ${momentText(until, now)}`] : [];
  return [countsText(counts), ...awaited, ...open].join(style.unicode ? " · " : " - ");
}

/** `40 matched: 37 done, 3 failed; 1 waiting at cloud-1: fog-2 since 12:03:11Z`. `now`: ISO 8601; other days are named. */
export function summaryText({ counts, waiting, waitingOmitted, confirmed, final }: CallReport, now: string): string {
  const matched =
    counts.matched === 0 && final && waiting.length === 0 ? "no node matched the condition" : countsText(counts);
  const since = listed(
    waiting.map(({ node, since: from, left = false }) =>
      left ? `${node} (left on purpose ${momentText(from, now)})` : `${node} since ${momentText(from, now)}`,
    ),
    waitingOmitted,
  );
  const awaited = waiting.length === 0 ? [] : [`${waitingText(waiting)}: ${since}`];
  const share = confirmed === undefined ? [] : [confirmed ? "confirmed" : "not confirmed"];
  return [matched, ...awaited, ...share].join("; ");
}

/** `2 waiting at fog-2, 1 waiting at cloud-1` */
function waitingText(waiting: readonly UnheardNode[]): string {
  const counts = new Map<string | undefined, number>();
  for (const { at } of waiting) counts.set(at, (counts.get(at) ?? 0) + 1);
  const parts = Array.from(counts, ([at, count]) => `${count} waiting${at === undefined ? "" : ` at ${at}`}`);
  return listed(parts);
}

/** Every result, and the summary. */
export function renderReport(report: CallReport, style: TextStyle, now: string): string {
  const { results, omitted = 0 } = report;
  return [
    results.length === 0 ? "" : renderAnswers(results, style),
    omitted === 0 ? "" : renderLine(`and ${omitted} more that the reply leaves out`, "dim", style),
    results.length === 0 ? "" : "\n",
    renderSummary(report, style, now),
  ].join("");
}

/** The sentence by itself. */
export function renderSummary(report: CallReport, style: TextStyle, now: string): string {
  return renderLine(summaryText(report, now), isSuccess(report) ? "plain" : "bad", style);
}

function renderLine(text: string, paint: Paint, style: TextStyle): string {
  return `${painted(cut(printable(text), style.columns ?? Infinity, style), paint, style)}\n`;
}

/** A table, ordered by the nodes' names. */
export function renderAnswers(answers: readonly NodeAnswer[], style: TextStyle): string {
  const rows = answers
    .toSorted((a, b) => byName(a.node, b.node))
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

function countsText(counts: CallReport["counts"]): string {
  const parts = (Object.keys(paints) as CallStatus[])
    .filter((status) => counts[status] > 0)
    .map((status) => `${counts[status]} ${status}`);
  return [`${counts.matched} matched`, ...(parts.length === 0 ? [] : [parts.join(", ")])].join(": ");
}

/** `omitted`: how many there are beyond. */
function listed(names: readonly string[], omitted = 0): string {
  const more = Math.max(0, names.length - namesMax) + omitted;
  return names.slice(0, namesMax).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function momentText(time: string, now: string): string {
  const [day, moment] = formatTime(time).split(" ");
  return day === formatTime(now).split(" ")[0] && moment !== undefined ? moment : formatTime(time);
}
