// The tree as one node knows it: the path from the root down to it, itself, and everything below.
//
// What a node cannot hear of now is shown as it was last known, and marked so: only the first broken hop is a fact.
import type { BelowReport, HopReport, PlaceReport, StatusReport } from "#shared/reports.ts";
import { byName } from "./by-name.ts";
import { formatChange, formatDuration } from "./quantities.ts";
import { type Cell, renderTable } from "./render-table.ts";
import type { Paint, TextStyle } from "./text-style.ts";

/** Levels below this node that are drawn as such; a node further down stands at the left, with its parent's name. */
const depthMax = 32;

/** Columns that only stand there when some node has what they tell. */
interface SiteColumns {
  readonly titles: readonly string[];
  cells(place: Partial<PlaceReport>): readonly Cell[];
}

/** A node without them has empty cells. */
function siteColumns({ node, below }: StatusReport): SiteColumns {
  const all = [
    { title: "CLASS", text: (place: Partial<PlaceReport>) => place.class ?? "" },
    { title: "POSITION", text: positionText },
  ].filter(({ text }) => [node, ...below].some((place) => text(place) !== ""));
  return { titles: all.map(({ title }) => title), cells: (place) => all.map(({ text }) => ({ text: text(place) })) };
}

/** `52.5, 13.4`, degrees north and east. */
function positionText({ lat, lon }: Partial<PlaceReport>): string {
  return lat === undefined && lon === undefined ? "" : `${lat ?? "?"}, ${lon ?? "?"}`;
}

interface Signs {
  readonly reached: string;
  readonly away: string;
  readonly branch: string;
  readonly lastBranch: string;
  readonly line: string;
}

const unicodeSigns: Signs = { reached: "●", away: "○", branch: "├─", lastBranch: "└─", line: "│ " };
const asciiSigns: Signs = { reached: "*", away: "o", branch: "|-", lastBranch: "`-", line: "| " };

export function renderTree(report: StatusReport, style: TextStyle): string {
  const signs = style.unicode ? unicodeSigns : asciiSigns;
  const site = siteColumns(report);
  const rows = [...hopRows(report, signs, site), selfRow(report, signs, site)];
  const depth = rows.length - 1;
  rows.push(...belowRows(report, signs, "  ".repeat(depth), site));
  const columns = ["NODE", "LEVEL", "ZONE", ...site.titles, "STATE", "HEARD", "SINCE"].map((title) => ({ title }));
  return renderTable(columns, rows, style);
}

/** Root first. */
function hopRows({ node, uplink }: StatusReport, signs: Signs, site: SiteColumns): (readonly Cell[])[] {
  let isReached = uplink.state === "up";
  const hops = uplink.path.map((hop) => {
    const row = { hop, isReached };
    isReached &&= hop.uplink === "up";
    return row;
  });
  if (hops.length === 0 && uplink.state !== "none") {
    return [
      [
        { text: `${signs.away} (parent)`, paint: "doubtful" },
        ...texts("", ""),
        ...site.cells({}),
        ...texts("never reached", "", ""),
      ],
    ];
  }
  return hops.toReversed().map(({ hop, isReached: reached }, at) => {
    const state = reached ? uplinkText(hop.uplink) : `? was ${hop.uplink}`;
    const sign = reached ? signs.reached : signs.away;
    const since = hop.uplink === "root" ? "" : formatChange(hop.since, node.now);
    return [
      { text: `${indentOf(at, signs)}${sign} ${hop.node}` },
      ...texts(hop.level, ""),
      ...site.cells({}),
      { text: state, paint: reached ? paintOfUplink(hop.uplink) : "doubtful" },
      ...texts("", since),
    ];
  });
}

function selfRow({ node, uplink }: StatusReport, signs: Signs, site: SiteColumns): readonly Cell[] {
  const depth = uplink.path.length === 0 && uplink.state !== "none" ? 1 : uplink.path.length;
  const state = uplink.state === "none" ? "root" : uplink.state;
  return [
    { text: `${indentOf(depth, signs)}${signs.reached} ${node.name} (this node)`, paint: "bold" },
    ...texts(node.level, node.zone ?? ""),
    ...site.cells(node),
    { text: uplinkText(state), paint: paintOfUplink(state) },
    ...texts("", state === "root" ? "" : formatChange(uplink.since, node.now)),
  ];
}

function belowRows(
  { node, below }: StatusReport,
  signs: Signs,
  indent: string,
  site: SiteColumns,
): (readonly Cell[])[] {
  const sorted = below.toSorted((a, b) => byName(a.node, b.node));
  const childrenByParent = Map.groupBy(sorted, ({ parent }) => parent);
  const rows: (readonly Cell[])[] = [];
  const draw = (parent: string, prefix: string, isReached: boolean, depth: number): void => {
    const children = childrenByParent.get(parent) ?? [];
    if (depth > depthMax) return;
    childrenByParent.delete(parent); // each is drawn once, whatever a report claims
    for (const [at, child] of children.entries()) {
      const isLast = at === children.length - 1;
      const reached = isReached && child.state === "online";
      const name = `${prefix}${isLast ? signs.lastBranch : signs.branch}${reached ? signs.reached : signs.away} ${child.node}`;
      rows.push([{ text: name }, ...belowCells(child, isReached, node.now, site)]);
      draw(child.node, `${prefix}${isLast ? "  " : signs.line}`, reached, depth + 1);
    }
  };
  draw(node.name, indent, true, 1);
  for (const child of [...childrenByParent.values()].flat()) {
    rows.push([
      { text: `${signs.away} ${child.node} (below ${child.parent})` },
      ...belowCells(child, false, node.now, site),
    ]);
  }
  return rows;
}

function belowCells(child: BelowReport, isReached: boolean, now: string, site: SiteColumns): readonly Cell[] {
  return [
    ...texts(child.level, child.zone ?? ""),
    ...site.cells(child),
    isReached
      ? { text: child.state, paint: paintOfState(child.state) }
      : { text: `? was ${child.state}`, paint: "doubtful" },
    ...texts(`${formatDuration(child.ageMs)} ago`, formatChange(child.since, now)),
  ];
}

function paintOfState(state: BelowReport["state"]): Paint {
  switch (state) {
    case "online":
      return "good";
    case "lost":
      return "bad";
    case "left":
      return "doubtful";
  }
}

function uplinkText(uplink: HopReport["uplink"]): string {
  return uplink === "root" ? "root" : `uplink ${uplink}`;
}

function paintOfUplink(uplink: HopReport["uplink"]): Paint {
  return uplink === "down" ? "bad" : "good";
}

function indentOf(depth: number, signs: Signs): string {
  return depth === 0 ? "" : "  ".repeat(depth - 1) + signs.lastBranch;
}

function texts(...values: readonly string[]): readonly Cell[] {
  return values.map((text) => ({ text }));
}
