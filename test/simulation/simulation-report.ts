// What is printed of histories: a summary of many, and all that is known of one that failed.
import { lossReasonCodes, type LossReason } from "#shared/journal/segment.ts";
import { identityPaths } from "./identity-paths.ts";
import { faultNames } from "./faults.ts";
import type { HistoryCounts } from "./history.ts";
import type { Shrunk } from "./shrink.ts";

export interface Totals {
  readonly histories: number;
  readonly steps: number;
  readonly seconds: number;
}

export function summaryLines(
  { histories, steps, seconds }: Totals,
  counts: readonly HistoryCounts[],
): readonly string[] {
  const sum = (of: (count: HistoryCounts) => number): number => counts.reduce((total, count) => total + of(count), 0);
  const kinds = faultNames
    .map((name) => [name, sum(({ faults }) => faults[name] ?? 0)] as const)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${count}`);
  const lost = Object.keys(lossReasonCodes).map(
    (reason) => `${reason} ${sum(({ losses }) => losses[reason as LossReason] ?? 0)}`,
  );
  const longestMs = Math.max(0, ...counts.map(({ drainMs }) => drainMs));
  return [
    `${histories} histories of ${steps} steps in ${seconds.toFixed(1)} s: ${(histories / seconds).toFixed(2)} a second`,
    `messages: ${sum(({ published }) => published)} published, ${sum(({ acknowledged }) => acknowledged)} acknowledged; ${sum(({ frames }) => frames)} frames; ${Math.round(sum(({ virtualMs }) => virtualMs) / 60_000)} minutes of virtual time`,
    `calls: ${sum(({ traffic }) => traffic.calls)}, run ${sum(({ traffic }) => traffic.runs)} times, ${sum(({ traffic }) => traffic.finals)} final replies; events: ${sum(({ traffic }) => traffic.raised)}, told ${sum(({ traffic }) => traffic.told)} times`,
    `checked ${sum(({ looks }) => looks)} times on the way; the longest drain took ${longestMs / 1000} s`,
    `messages named as lost: ${lost.join(", ")}`,
    `copies found: ${identityPaths.map((path) => `${path} ${sum(({ identity }) => identity[path] ?? 0)}`).join(", ")}`,
    `faults: ${kinds.join(", ")}`,
  ];
}

export function failureLines({ setting, report }: Shrunk): readonly string[] {
  const { failure } = report;
  if (failure === undefined) return [];
  const { seed, steps, faults } = setting;
  return [
    `seed ${seed} fails after step ${failure.step} of ${steps}:`,
    ...failure.faults.map((fault) => `  ${fault}`),
    "what happened last:",
    ...failure.events.map((event) => `  ${event}`),
    `repeat with: ${repeatCommand(seed, steps, faults)}`,
  ];
}

export function repeatCommand(seed: number, steps: number, faults: readonly string[]): string {
  return `npm run simulate -- --seed ${seed} --steps ${steps} --only ${faults.join(",")}`;
}
