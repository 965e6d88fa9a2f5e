// What `fogbank status` shows: the tree, the streams with their accounts, the store.
import type { StatusReport, StreamReport } from "#shared/reports.ts";
import { reachOf, reachText } from "#shared/presence/reach.ts";
import { maskPasswords } from "../config/uplink-url.ts";
import { formatAgo, formatBytes, formatDuration, formatSince, formatTime } from "./quantities.ts";
import { type Cell, type Column, renderTable } from "./render-table.ts";
import { renderTree } from "./render-tree.ts";
import { cut, type Paint, painted, printable, type TextStyle } from "./text-style.ts";

/** Streams and alarms that are named. */
const namedMax = 10;

export function renderStatus(report: StatusReport, style: TextStyle): string {
  const { node, store } = report;
  const upMs = Date.parse(node.now) - Date.parse(node.startedAt);
  const line = (text: string, paint: Paint = "plain"): string =>
    `${painted(cut(printable(text), style.columns ?? Infinity, style), paint, style)}\n`;
  const usedShare = store.maxBytes > 0 ? ` (${((100 * store.usedBytes) / store.maxBytes).toFixed(1)} %)` : "";
  return [
    line(
      `${node.name}, ${node.level} node, Fogbank ${node.version}, running for ${formatDuration(upMs)}, ${formatTime(node.now)}`,
    ),
    "\n",
    renderTree(report, style),
    uplinkLine(report, line),
    ...networkLines(report).map((text) => line(text, "bad")),
    "\n",
    report.streams.length === 0 ? line("no streams yet") : renderStreams(report, style),
    "\n",
    line(`store: ${formatBytes(store.usedBytes)} of ${formatBytes(store.maxBytes)} used${usedShare}`),
    store.refusing === undefined ? "" : line(`REFUSING durable publishes: ${store.refusing}`, "bad"),
    ...healthLines(report).map((text) => line(text, "bad")),
  ].join("");
}

/** What an operator should look into; nothing when all is well. */
function healthLines({ node, journal, documents, alarms = [] }: StatusReport): readonly string[] {
  const lines: string[] = [];
  if (journal?.lost !== undefined) {
    const named = journal.lost
      .slice(0, namedMax)
      .map(({ origin, stream, messages, bytes }) => `${origin}/${stream} ${messages} (${formatBytes(bytes)})`);
    const since = journal.state === "evicting" ? ` since ${formatSince(journal.since, node.now)}` : "";
    lines.push(`GIVING UP stored messages for want of room${since}: ${named.join(", ")}`);
  }
  if (documents?.failingSince !== undefined) {
    lines.push(
      `DOCUMENT STORE takes no data since ${formatSince(documents.failingSince, node.now)}: the journal holds it`,
    );
  }
  if (documents !== undefined && documents.quarantined > 0) {
    lines.push(
      `QUARANTINED since the start: ${documents.quarantined} segments that could not be stored, named as lost`,
    );
  }
  for (const { about, reason, since } of alarms.slice(0, namedMax)) {
    lines.push(`ALARM ${about}: ${reason}${since === undefined ? "" : `, since ${formatSince(since, node.now)}`}`);
  }
  if (alarms.length > namedMax) lines.push(`and ${alarms.length - namedMax} more alarms`);
  return lines;
}

/** Why the uplink is down; nothing while it is up. */
function uplinkLine({ node, uplink }: StatusReport, line: (text: string, paint: Paint) => string): string {
  if (uplink.state !== "down") return "";
  const to = uplink.url === undefined ? "" : ` to ${maskPasswords(uplink.url)}`;
  const reason = uplink.reason === undefined ? "" : `: ${uplink.reason}`;
  return line(`uplink${to} down since ${formatSince(uplink.since, node.now)}${reason}`, "bad");
}

/** What is out of reach above although the parent is there; what the node concludes of its network; nothing when all is well. */
function networkLines({ node, uplink, network }: StatusReport): readonly string[] {
  const lines: string[] = [];
  if (uplink.state === "up") {
    const hops = uplink.path.map((hop) => ({ ...hop, name: hop.node, sinceMs: Date.parse(hop.since) }));
    const reach = reachOf({ name: node.name, uplink: "up", sinceMs: Date.parse(uplink.since) }, hops);
    const since = (ms: number): string => formatSince(new Date(ms).toISOString(), node.now);
    if (reach.broken !== undefined) lines.push(`PATH broken at ${reach.broken.at}: ${reachText(reach, since)}`);
  }
  if (network?.reason !== undefined && network.conclusion !== "starting") {
    const { conclusion, reason } = network;
    lines.push(`NETWORK ${conclusion} since ${formatSince(network.since, node.now)}: ${reason}`);
  }
  return lines;
}

function renderStreams({ node, uplink, streams }: StatusReport, style: TextStyle): string {
  const hasEpochs = hasSeveralEpochs(streams);
  const isBalanced = streams.every(({ balanced }) => balanced);
  const columns: readonly Column[] = [
    { title: "ORIGIN" },
    { title: "STREAM" },
    ...(hasEpochs ? [{ title: "EPOCH", align: "right" } as const] : []),
    { title: "PUBLISHED", align: "right" },
    { title: uplink.state === "none" ? "STORED" : "HANDED ON", align: "right" },
    { title: "LOST", align: "right" },
    { title: "PENDING [HERE/BELOW]", align: "right" },
    ...(isBalanced ? [] : [{ title: "CHECK" }]),
    { title: "HEARD" },
  ];
  const rows = streams.map((entry): readonly Cell[] => [
    { text: entry.origin },
    { text: entry.stream },
    ...(hasEpochs ? [{ text: String(entry.epoch) }] : []),
    { text: String(entry.next - 1) },
    { text: String(entry.stored) },
    { text: String(entry.lost), paint: entry.lost > 0 ? "bad" : "plain" },
    { text: `${entry.pending} [${entry.here}/${entry.below}]`, paint: entry.pending > 0 ? "doubtful" : "plain" },
    ...(isBalanced
      ? []
      : [{ text: entry.balanced ? "ok" : "UNBALANCED", paint: entry.balanced ? "plain" : "bad" } as const]),
    { text: heardText(entry, node) },
  ]);
  return renderTable(columns, rows, style);
}

/** Empty for the node's own streams; those that only the documents know have not been heard of. */
function heardText({ origin, heardAt }: StreamReport, node: StatusReport["node"]): string {
  if (origin === node.name) return "";
  return Date.parse(heardAt) === 0 ? "not yet" : formatAgo(heardAt, node.now);
}

/** Whether a stream's name alone does not tell which row it is. */
function hasSeveralEpochs(streams: readonly StreamReport[]): boolean {
  return new Set(streams.map(({ origin, stream }) => `${origin}/${stream}`)).size < streams.length;
}
