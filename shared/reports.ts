// What a node answers over HTTP, as JSON. Times are ISO 8601 texts, ages and durations milliseconds.
import type { Level } from "./ids.ts";
import type { LossReason } from "./journal/segment.ts";

export interface HopReport {
  readonly node: string;
  readonly level: Level;
  /** How that node stands to the next one above. */
  readonly uplink: "up" | "down" | "root";
  readonly since: string;
}

/** Where a node stands, and what kind of device it is. What is absent it does not have, or it is not known here. */
export interface PlaceReport {
  readonly level: Level;
  readonly zone?: string;
  readonly tags: readonly string[];
  /** Degrees. */
  readonly lat?: number;
  readonly lon?: number;
  readonly class?: string;
}

export interface BelowReport extends PlaceReport {
  readonly node: string;
  readonly parent: string;
  /** `lost`: fell silent or was cut off; `left`: stopped on purpose. */
  readonly state: "online" | "lost" | "left";
  readonly since: string;
  /** How old this knowledge is: time since the child of this node that told it was last heard. */
  readonly ageMs: number;
}

export interface StreamReport {
  readonly origin: string;
  readonly epoch: number;
  readonly stream: string;
  /** The number that the origin will give next, as far as this node knows. */
  readonly next: number;
  /** Handed on and confirmed: at the root, stored in the document store; below it, committed by the parent. */
  readonly stored: number;
  /** Named as lost. */
  readonly lost: number;
  /** `here` plus `below`: on the way, as far as this node knows. */
  readonly pending: number;
  /** Durable on this node, not handed on yet. */
  readonly here: number;
  readonly hereBytes: number;
  /** Assigned by the origin, not arrived at this node. */
  readonly below: number;
  /** Assigned by the origin and not expected here any more: it went another way. Always 0 at a root, which expects everything. */
  readonly elsewhere: number;
  /**
   * At a root, of `below`: what the origin, a child of it, has handed on and does not send any more. It lies with a former parent of
   * the origin, or is lost with a database. Absent: none.
   */
  readonly overdue?: number;
  /** When this node last heard of the stream. */
  readonly heardAt: string;
  /** stored + lost + here + below + elsewhere = next - 1. */
  readonly balanced: boolean;
}

export interface AccountingReport extends StreamReport {
  readonly lostRanges: readonly { readonly first: number; readonly last: number; readonly reason: LossReason }[];
}

/** What this node knows of the messages of one stream whose times lie in a span. */
export interface RangeReport {
  readonly origin: string;
  readonly epoch: number;
  readonly stream: string;
  /** The span: from `from` up to but not including `to`. */
  readonly from: string;
  readonly to: string;
  /** What a root keeps; absent at other nodes, which do not know the times of what they have handed on. */
  readonly stored?: StoredRange;
  /** Durable on this node, not handed on yet. */
  readonly here: number;
  /** Messages in gaps whose times touch the span, or are not known: some of them may lie outside. */
  readonly lost: number;
  /** The first thousand of these gaps; without times where they are not known. */
  readonly lostRanges: readonly {
    readonly first: number;
    readonly last: number;
    readonly reason: LossReason;
    readonly from?: string;
    readonly to?: string;
  }[];
  /** Assigned by the origin and not arrived at this node, at whatever time. */
  readonly below: number;
  /** When this node last heard of the origin: of later messages it knows nothing. */
  readonly heardAt: string;
}

export interface StoredRange {
  /** Exactly so many messages are stored. */
  readonly messages: number;
  /** Their lowest and highest number; absent when there are none. */
  readonly numbers?: { readonly first: number; readonly last: number };
  /** Exactly so many numbers between these two are neither stored, nor here, nor named as lost. */
  readonly missing: number;
  /** The first thousand ranges of these. */
  readonly missingRanges: readonly { readonly first: number; readonly last: number }[];
  /** False when messages of the span arrived while they were counted, so that the counts may not fit together: ask again. */
  readonly settled: boolean;
}

export interface AlarmReport {
  /** A node, "uplink", or a stream as ORIGIN/STREAM. */
  readonly about: string;
  readonly reason: string;
  readonly since?: string;
}

export interface JournalReport {
  /** `evicting`: stored messages are given up for want of room. `refusing`: durable publishes are refused. */
  readonly state: "accepting" | "evicting" | "refusing";
  readonly since: string;
  readonly reason?: string;
  /** What has been given up since then, the most first; absent when nothing is. */
  readonly lost?: readonly {
    readonly origin: string;
    readonly stream: string;
    readonly messages: number;
    readonly bytes: number;
  }[];
}

/** How the document store of a root takes what arrives. */
export interface DocumentsReport {
  /** Absent while it takes data. */
  readonly failingSince?: string;
  /** Since the node was started: messages stored, and segments that it refused and that are named as lost. */
  readonly drained: number;
  readonly quarantined: number;
}

export interface StatusReport {
  readonly node: PlaceReport & {
    readonly name: string;
    readonly uuid: string;
    readonly epoch: number;
    readonly version: string;
    readonly pid: number;
    readonly startedAt: string;
    readonly now: string;
  };
  readonly uplink: {
    readonly state: "none" | "up" | "down";
    readonly since: string;
    readonly url?: string;
    readonly reason?: string;
    readonly path: readonly HopReport[];
  };
  /** What the node concludes from its uplink and its children; absent from older nodes. */
  readonly network?: {
    /** One of those in docs/presence.md. */
    readonly conclusion: string;
    readonly since: string;
    readonly reason?: string;
    readonly children: {
      readonly online: number;
      readonly lost: number;
      readonly left: number;
      readonly awaited: number;
    };
    /** The first ones. */
    readonly lost: readonly string[];
  };
  readonly below: readonly BelowReport[];
  readonly streams: readonly StreamReport[];
  /** Time of the message that has waited longest on this node to be handed on; absent when none waits. */
  readonly oldestPendingAt?: string;
  readonly store: {
    readonly usedBytes: number;
    readonly maxBytes: number;
    /** Why durable publishes are refused now; absent while they are taken. */
    readonly refusing?: string;
  };
  readonly journal?: JournalReport;
  /** Only at a root that keeps documents. */
  readonly documents?: DocumentsReport;
  /** What an operator should look into; absent when there is nothing. */
  readonly alarms?: readonly AlarmReport[];
  readonly counters: Readonly<Record<string, number>>;
}

/** One line of `/api/v1/data`. */
export interface DataLine {
  /** Pass it as `after` to read on behind this line. */
  readonly cursor: number;
  readonly origin: string;
  readonly epoch: number;
  readonly stream: string;
  readonly seq: number;
  readonly time: string;
  /** It waited in a backlog somewhere on its way; absent when it did not. */
  readonly historical?: true;
  /** It was renumbered after its node's database had turned out to be an older copy or a clone, and may stand here twice. */
  readonly maybeDuplicate?: true;
  /** It was stamped by a clock that nothing had set yet, and could not be put right. */
  readonly timeUncertain?: true;
  readonly topic: string;
  /** The payload when it is valid UTF-8, else in base64 under the other key. */
  readonly payload?: string;
  readonly payloadBase64?: string;
}

/** What a condition comes to on a node and on those below it: `/api/v1/condition`. */
export interface ConditionReport {
  readonly condition: string;
  /** The node itself first, then what is below it. */
  readonly nodes: readonly ConditionVerdict[];
}

export interface ConditionVerdict {
  readonly node: string;
  /** Absent for the node that was asked. */
  readonly parent?: string;
  /** `unknown`: it depends on what only that node knows. */
  readonly result: "true" | "false" | "unknown";
  /** The part that decided, and what it saw. */
  readonly why: string;
}
