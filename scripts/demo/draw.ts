// The picture of the tree, from a sample of it. Pure.
//
//   NODE             PROCESS     UPLINK      CLOUD SEES   PUBLISHED WAITING IN CLOUD
//   cloud-1          up          root                                     0    1,234
//   └─ fog-1         up          up 1m12s    online                       0
//      └─ device-1   up          up 1m11s    online           1,234       0    1,234
import type { DeviceSample, NodeSample, TreeSample } from "./observe.ts";
import { formatAge, formatCount, type Colour, type Span } from "./text-style.ts";

/** News of a child that is older than this is not what the cloud sees now. */
const staleMs = 10_000;

/** Lines of spans, at most 80 characters each and at most `linesMax`: devices that do not fit are summed up in one line. */
export function drawTree(sample: TreeSample, linesMax: number): readonly (readonly Span[])[] {
  const { cloud, fog, devices, atMs } = sample;
  const room = Math.max(2, linesMax - treeLines(0));
  const shown = devices.length <= room ? devices : devices.slice(0, room - 1);
  const rest = devices.slice(shown.length);
  const rows = shown.map((device, i) => deviceRow(device, atMs, rest.length === 0 && i === shown.length - 1));
  return [
    header,
    nodeRow("", cloud, atMs, { stored: sumKnown(devices, ({ stored }) => stored) }),
    nodeRow("└─ ", fog, atMs, {}),
    ...rows,
    ...(rest.length === 0 ? [] : [restRow(rest)]),
    totalRow(sample),
  ];
}

/** How many lines the whole tree takes. */
export function treeLines(devices: number): number {
  return 4 + devices;
}

interface Numbers {
  readonly published?: number | undefined;
  readonly stored?: number | undefined;
}

const header: readonly Span[] = [
  { text: row("NODE", "PROCESS", "UPLINK", "CLOUD SEES", "PUBLISHED", "WAITING", "IN CLOUD").join(""), colour: "dim" },
];

function deviceRow(device: DeviceSample, atMs: number, isLast: boolean): readonly Span[] {
  return nodeRow(`   ${isLast ? "└─ " : "├─ "}`, device, atMs, device);
}

function nodeRow(branch: string, node: NodeSample, atMs: number, { published, stored }: Numbers): readonly Span[] {
  const isDevice = branch.startsWith(" ");
  const [process, processColour] = processText(node, atMs);
  const [uplink, uplinkColour] = uplinkText(node, atMs);
  const [seen, seenColour] = seenText(node, atMs);
  const colours = [
    undefined,
    processColour,
    uplinkColour,
    seenColour,
    undefined,
    (node.waiting ?? 0) > 0 ? "yellow" : undefined,
    undefined,
  ] as const;
  const cells = row(
    branch + node.name,
    process,
    uplink,
    seen,
    isDevice ? formatCount(published) : "",
    formatCount(node.waiting),
    isDevice || branch === "" ? formatCount(stored) : "",
  );
  return cells.map((text, i) => ({ text, colour: colours[i] }));
}

function restRow(rest: readonly DeviceSample[]): readonly Span[] {
  const up = rest.filter(({ process }) => process.at === "up").length;
  const cells = row(
    `   └─ ${rest.length} more`,
    `${up} up`,
    `${rest.filter(({ uplink }) => uplink?.state === "up").length} up`,
    `${rest.filter(({ seenByCloud }) => seenByCloud?.state === "online").length} online`,
    formatCount(sum(rest, ({ published }) => published)),
    formatCount(sumKnown(rest, ({ waiting }) => waiting)),
    formatCount(sumKnown(rest, ({ stored }) => stored)),
  );
  return [{ text: cells.join(""), colour: up === rest.length ? undefined : "yellow" }];
}

function totalRow({ devices, fog, cloud }: TreeSample): readonly Span[] {
  const waiting = [...devices, fog, cloud];
  const cells = row(
    "all together",
    "",
    "",
    "",
    formatCount(sum(devices, ({ published }) => published)),
    formatCount(sumKnown(waiting, (node) => node.waiting)),
    formatCount(sumKnown(devices, ({ stored }) => stored)),
  );
  return [{ text: cells.join(""), colour: "bold" }];
}

function processText({ process }: NodeSample, atMs: number): readonly [string, Colour | undefined] {
  switch (process.at) {
    case "waiting":
      return ["waits", "dim"];
    case "starting":
      return ["starts", "yellow"];
    case "up":
      return ["up", "green"];
    case "down":
      return [`DOWN ${formatAge(atMs - process.sinceMs)}`, "red"];
  }
}

function uplinkText({ uplink }: NodeSample, atMs: number): readonly [string, Colour | undefined] {
  if (uplink === undefined) return ["-", "dim"];
  if (uplink.state === "none") return ["root", "dim"];
  const text = `${uplink.state} ${formatAge(atMs - uplink.sinceMs)}`;
  return [text, uplink.state === "up" ? "green" : "red"];
}

function seenText({ seenByCloud: seen, uplink }: NodeSample, atMs: number): readonly [string, Colour | undefined] {
  if (seen === undefined) return uplink?.state === "none" ? ["", undefined] : ["-", "dim"];
  if (seen.state !== "online") return [`${seen.state} ${formatAge(atMs - seen.sinceMs)}`, "red"];
  return seen.ageMs > staleMs ? [`quiet ${formatAge(seen.ageMs)}`, "yellow"] : ["online", "green"];
}

/** Seven cells, 80 characters together. */
function row(...cells: readonly [string, string, string, string, string, string, string]): readonly string[] {
  const [node, process, uplink, seen, published, waiting, stored] = cells;
  return [
    node.padEnd(17),
    process.padEnd(12),
    uplink.padEnd(12),
    seen.padEnd(13),
    published.padStart(9),
    waiting.padStart(8),
    stored.padStart(9),
  ];
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

/** Of what is known; undefined when nothing is. */
function sumKnown<T>(items: readonly T[], of: (item: T) => number | undefined): number | undefined {
  const known = items.map(of).filter((value) => value !== undefined);
  return known.length === 0 ? undefined : sum(known, (value) => value);
}
