// Puts together what the HTTP API shows, from the ledger in the store and from what is known of the tree.
import { elsewhereOf, isBalanced, missingOf, type LedgerRow } from "#shared/journal/ledger.ts";
import type { NodePlace } from "#shared/link/descendant.ts";
import type { PathHop } from "#shared/link/hello.ts";
import type { ChildPresence } from "#shared/link/child-presence.ts";
import type { NetworkReport } from "#shared/presence/network.ts";
import type { AccountingReport, BelowReport, PlaceReport, StatusReport, StreamReport } from "#shared/reports.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { DocumentStore } from "#shared/system/document-store.ts";
import type { NodeIdentity } from "../store/identity-repository.ts";
import type { NodeStore } from "../store/node-store.ts";
import { healthReport, type DocumentsHealth, type JournalHealth, type TreeAlarm } from "./health-report.ts";
import { ledgerMetrics } from "./ledger-metrics.ts";
import type { NodeView } from "./routes.ts";
import { rangeReports } from "./time-range.ts";

/** What a view asks of the tree around the node. */
export interface TreeReport {
  uplink(): {
    readonly state: "none" | "up" | "down";
    readonly sinceMs: number;
    readonly url: string | undefined;
    readonly reason: string | undefined;
    readonly path: readonly PathHop[];
  };
  children(): readonly ChildPresence[];
  child(name: string): ChildPresence | undefined;
  alarms(): readonly TreeAlarm[];
}

export interface NodeViewDeps {
  readonly store: NodeStore;
  readonly tree: TreeReport;
  readonly network: () => NetworkReport;
  readonly clock: Clock;
  /** What this node has stored as a root: now, or before it had a parent. */
  readonly documents: DocumentStore | undefined;
  readonly counters: () => Readonly<Record<string, number>>;
  readonly explain: NodeView["condition"];
  readonly journal: () => JournalHealth;
  /** Of the drain into `documents`. */
  readonly sink: () => DocumentsHealth | undefined;
}

export interface Self {
  readonly name: string;
  readonly place: NodePlace;
  readonly identity: () => NodeIdentity;
  readonly version: string;
  readonly pid: number;
  readonly startedAtMs: number;
}

export function createNodeView(deps: NodeViewDeps, self: Self): NodeView {
  const isRoot = deps.tree.uplink().state === "none";
  const heardAtMs = (origin: string): number =>
    origin === self.name ? deps.clock.now() : (deps.tree.child(origin)?.heardAtMs ?? 0);
  return {
    documents: deps.documents,
    counters: () => deps.counters(),
    async status(): Promise<StatusReport> {
      const [{ rows, oldestPendingMs }, usage] = await Promise.all([
        deps.store.read("totals", {}),
        deps.store.read("usage", {}),
      ]);
      const nowMs = deps.clock.now();
      const { reason: refusing } = deps.journal();
      const { usedBytes, maxBytes } = usage;
      return {
        node: nodeReport(self, nowMs),
        uplink: uplinkReport(deps.tree),
        network: networkReport(deps.network()),
        below: deps.tree.children().flatMap((child) => belowReports(child, self.name, nowMs)),
        streams: rows.map((row) => streamReport(row, isRoot)),
        ...(oldestPendingMs === undefined ? {} : { oldestPendingAt: iso(oldestPendingMs) }),
        store: { usedBytes, maxBytes, ...(refusing === undefined ? {} : { refusing }) },
        ...healthReport(deps.journal(), deps.sink(), deps.tree.alarms()),
        counters: deps.counters(),
      };
    },
    async accounting({ origin, stream }): Promise<readonly AccountingReport[]> {
      const entries = await deps.store.read("accounting", origin === undefined ? {} : { origin });
      return entries
        .filter(({ row }) => stream === undefined || row.stream === stream)
        .map(({ row, gaps }) => ({ ...streamReport(row, isRoot), lostRanges: gaps }));
    },
    condition: (text) => deps.explain(text),
    now: () => deps.clock.now(),
    timeRange: (asked) =>
      rangeReports({ ...deps, documents: isRoot ? deps.documents : undefined, isRoot, heardAtMs }, asked),
    async ledgerMetrics() {
      const [totals, losses] = await Promise.all([deps.store.read("totals", {}), deps.store.read("losses", {})]);
      return ledgerMetrics(totals, losses, { isRoot, nowMs: deps.clock.now() });
    },
    async notReady() {
      const { reason: refusing } = deps.journal();
      if (refusing !== undefined) return refusing;
      const { full, maxBytes } = await deps.store.read("usage", {});
      return full ? `the database has reached its limit of ${maxBytes} bytes` : undefined;
    },
  };
}

function nodeReport(self: Self, nowMs: number): StatusReport["node"] {
  const { name, place, identity, version, pid, startedAtMs } = self;
  const { uuid, epoch } = identity();
  return { name, ...placeReport(place), uuid, epoch, version, pid, startedAt: iso(startedAtMs), now: iso(nowMs) };
}

function uplinkReport(tree: TreeReport): StatusReport["uplink"] {
  const { state, sinceMs, url, reason, path } = tree.uplink();
  return {
    state,
    since: iso(sinceMs),
    ...(url === undefined ? {} : { url }),
    ...(reason === undefined ? {} : { reason }),
    path: path.map((hop) => ({ node: hop.name, level: hop.level, uplink: hop.uplink, since: iso(hop.sinceMs) })),
  };
}

function networkReport({
  conclusion,
  sinceMs,
  reason,
  children,
  lost,
}: NetworkReport): NonNullable<StatusReport["network"]> {
  return { conclusion, since: iso(sinceMs), ...(reason === undefined ? {} : { reason }), children, lost };
}

/** The child and what it reported; all of it is as old as the child's last word. */
function belowReports(child: ChildPresence, parent: string, nowMs: number): readonly BelowReport[] {
  const ageMs = Math.max(0, nowMs - child.heardAtMs);
  return [
    { node: child.name, parent, ...placeReport(child.place), state: child.state, since: iso(child.sinceMs), ageMs },
    ...child.descendants.map((node) => ({
      node: node.name,
      parent: node.parent,
      ...placeReport(node),
      state: node.online ? ("online" as const) : ("lost" as const),
      since: iso(node.sinceMs),
      ageMs,
    })),
  ];
}

function placeReport({ level, zone, tags, site }: NodePlace): PlaceReport {
  const { lat, lon, class: kind } = site ?? {};
  return {
    level,
    ...(zone === undefined ? {} : { zone }),
    tags,
    ...(lat === undefined ? {} : { lat }),
    ...(lon === undefined ? {} : { lon }),
    ...(kind === undefined ? {} : { class: kind }),
  };
}

function streamReport(row: LedgerRow, isRoot: boolean): StreamReport {
  const gone = elsewhereOf(row);
  const elsewhere = isRoot ? 0 : gone;
  const below = missingOf(row) - elsewhere;
  return {
    origin: row.origin,
    epoch: row.epoch,
    stream: row.stream,
    next: row.high + 1,
    stored: row.delivered,
    lost: row.lost,
    pending: row.held + below,
    here: row.held,
    hereBytes: row.heldBytes,
    below,
    elsewhere,
    ...(isRoot && gone > 0 ? { overdue: gone } : {}),
    heardAt: iso(row.heardAtMs),
    balanced: isBalanced(row),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
