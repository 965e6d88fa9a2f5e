// Findings for people: one line each, what to do below it, and what it all comes to.
import { type Finding, type FindingLevel, findingLevels } from "../doctor/finding.ts";
import { type Paint, painted, printable, signsOf, type TextStyle } from "./text-style.ts";

const paints: Readonly<Record<FindingLevel, Paint>> = {
  ok: "good",
  advice: "plain",
  warning: "doubtful",
  problem: "bad",
};

/** Long texts are broken at spaces where somebody looks at a screen. Each line ends with a line feed. */
export function renderFindings(findings: readonly Finding[], style: TextStyle): string {
  const levelWidth = Math.max(...findingLevels.map((level) => level.length));
  const checkWidth = Math.max(0, ...findings.map(({ check }) => check.length));
  const indent = levelWidth + checkWidth + 4;
  const arrow = style.unicode ? "→ " : "> ";
  const lines = findings.flatMap(({ check, level, what, todo }) => {
    const head = `${painted(level.padEnd(levelWidth), paints[level], style)}  ${check.padEnd(checkWidth)}  `;
    const [first = "", ...rest] = wrap(what, indent, style);
    const advice = todo === undefined ? [] : wrap(todo, indent + arrow.length, style);
    return [
      head + first,
      ...rest.map((line) => " ".repeat(indent) + line),
      ...advice.map((line, at) => " ".repeat(indent) + (at === 0 ? arrow : " ".repeat(arrow.length)) + line),
    ];
  });
  return [...lines, "", summaryOf(findings), ""].join("\n");
}

function summaryOf(findings: readonly Finding[]): string {
  const count = (level: FindingLevel): number => findings.filter((one) => one.level === level).length;
  const parts = [
    plural(count("problem"), "problem"),
    plural(count("warning"), "warning"),
    count("advice") === 0 ? "" : `${count("advice")} advice`,
  ].filter((part) => part !== "");
  return parts.length === 0 ? `all ${findings.length} are ok` : `${parts.join(", ")}; ${count("ok")} ok`;
}

function plural(count: number, noun: string): string {
  return count === 0 ? "" : `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Lines of at most the columns that are left behind `indent`, and of no fewer than twenty. */
function wrap(text: string, indent: number, { columns }: TextStyle): readonly string[] {
  if (columns === undefined) return [printable(text)];
  const width = Math.max(20, columns - indent);
  const lines: string[] = [];
  let line = "";
  for (const word of printable(text).split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && signsOf(longer).length > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}
