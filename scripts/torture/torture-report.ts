// The torture's outcome as lines for a person.
import { killsOf } from "./faults/kill.ts";
import type { TortureReport } from "./torture-run.ts";

const faultsShown = 30;

export function reportLines(report: TortureReport): readonly string[] {
  const { kills, strikes, drainMs, faults } = report;
  const { cloud, fog, device } = kills.byLevel;
  const shown = faults.slice(0, faultsShown);
  return [
    `kills               ${killsOf(kills)} (cloud ${cloud}, fogs ${fog}, devices ${device})`,
    `changes of parent   ${kills.moves}`,
    `faults put in       ${[...strikes].map(([name, count]) => `${count} × ${name}`).join(", ")}`,
    `refusals            ${report.refusals.map(({ publisher, count }) => `${count} at ${publisher}`).join(", ")}`,
    `messages            ${report.sent} sent, ${report.acknowledged} acknowledged, ${report.stored} stored`,
    `duplicates dropped  ${report.duplicates} or more, as told by nodes before they were killed`,
    `ledgers looked at   ${report.ledgerSamples}, and ${report.handOnChecks} times what was handed on`,
    `drain               ${drainMs === undefined ? "did not end" : `${(drainMs / 1000).toFixed(1)} s`}`,
    ...report.remarks.map((remark) => `remark              ${remark}`),
    ...shown.map((fault) => `FAULT               ${fault}`),
    ...(faults.length > shown.length ? [`… and ${faults.length - shown.length} faults more`] : []),
    `verdict             ${faults.length === 0 ? "0 lost, 0 duplicated, every ledger sums" : `FAILED: ${faults.length} faults`}`,
  ];
}
