// Which built-in events a node raises about itself and its children, and when. Level-triggered: what is raised is the difference
// between what was raised last and how things are when they have settled, so that a blip raises nothing. Bounded: of many changes at
// once `limits.nodeEventsBurst` are raised one by one, the rest as one event with their number and the first names.
import { limits } from "../limits.ts";
import type { ChildState } from "../link/child-presence.ts";
import { isPartition, type Moment, type NetworkReport } from "./network.ts";

/** Times as the maker of the news writes them. */
export interface EventArgs {
  readonly [key: string]: string | number | readonly string[] | EventArgs;
}

export interface NodeEvent {
  readonly name:
    | "node-joined"
    | "node-left"
    | "node-lost"
    | "partitioned"
    | "healed"
    | "journal-full"
    | "journal-recovered";
  readonly args: EventArgs;
}

export interface ChildNews {
  readonly name: string;
  readonly state: ChildState;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
  readonly reason: string | undefined;
  readonly level: string;
}

export interface JournalNews {
  readonly state: "accepting" | "evicting" | "refusing";
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
  readonly reason: string | undefined;
}

/** How a change becomes known to whoever raises it. */
const nameOf = { online: "node-joined", left: "node-left", lost: "node-lost" } as const;
type NodeEventName = (typeof nameOf)[ChildState];

interface Pending {
  readonly news: ChildNews;
  readonly dueMs: number;
}

interface Summed {
  count: number;
  readonly nodes: string[];
}

export class NodeNews {
  readonly #self: string;
  readonly #timeText: (ms: number) => string;
  readonly #told = new Map<string, ChildState>();
  readonly #pending = new Map<string, Pending>();
  readonly #summed = new Map<NodeEventName, Summed>();
  #tokens: number = limits.nodeEventsBurst;
  #countedMs: number;
  /** What the machine was last told of the network, and what it is to be told. */
  #network: NetworkReport | undefined;
  #nextNetwork: { readonly report: NetworkReport; readonly firstMs: number; readonly dueMs: number } | undefined;
  #isJournalFull = false;
  #nextJournal: { readonly news: JournalNews; readonly dueMs: number } | undefined;

  /** `timeText`: how events give a time in milliseconds since 1970. */
  constructor(self: string, at: Moment, timeText: (ms: number) => string) {
    this.#self = self;
    this.#timeText = timeText;
    this.#countedMs = at.monotonicMs;
  }

  /** How many changes wait to be raised. */
  get waiting(): number {
    return this.#pending.size;
  }

  /** A child of an earlier life, as the machine knew it then. */
  restored(name: string, state: ChildState): void {
    this.#told.set(name, state);
  }

  child(news: ChildNews, at: Moment): void {
    const settleMs = news.state === "lost" ? limits.lossSettleMs : limits.newsSettleMs;
    this.#pending.delete(news.name); // its turn begins anew
    this.#pending.set(news.name, { news, dueMs: at.monotonicMs + settleMs });
  }

  network(report: NetworkReport, at: Moment): void {
    const before = this.#nextNetwork;
    const isSame = before !== undefined && before.report.conclusion === report.conclusion;
    const firstMs = isSame ? before.firstMs : at.monotonicMs;
    const hasGrown = !isSame || before.report.children.lost !== report.children.lost;
    const dueMs = hasGrown
      ? Math.min(at.monotonicMs + limits.newsSettleMs, firstMs + limits.lossSettleMs)
      : before.dueMs;
    this.#nextNetwork = { report, firstMs, dueMs };
  }

  journal(news: JournalNews, at: Moment): void {
    const dueMs = this.#nextJournal?.dueMs ?? at.monotonicMs + limits.newsSettleMs;
    this.#nextJournal = { news, dueMs };
  }

  /** What is to be raised now. `isCovered`: whether the loss of that child is a part of a partition that is raised as such. */
  tick(at: Moment, isCovered: (name: string) => boolean): readonly NodeEvent[] {
    const passedMs = at.monotonicMs - this.#countedMs;
    this.#countedMs = at.monotonicMs;
    this.#tokens = Math.min(limits.nodeEventsBurst, this.#tokens + (passedMs * limits.nodeEventsPerSecond) / 1000);
    return [...this.#takeJournal(at), ...this.#takeNetwork(at), ...this.#takeSums(), ...this.#takeNodes(at, isCovered)];
  }

  #takeJournal(at: Moment): readonly NodeEvent[] {
    if (this.#nextJournal === undefined || at.monotonicMs < this.#nextJournal.dueMs) return [];
    const { state, sinceMs, reason } = this.#nextJournal.news;
    this.#nextJournal = undefined;
    const isFull = state !== "accepting";
    if (isFull === this.#isJournalFull) return [];
    this.#isJournalFull = isFull;
    const since = this.#timeText(sinceMs);
    if (!isFull) return [{ name: "journal-recovered", args: { node: this.#self, since } }];
    return [
      { name: "journal-full", args: { node: this.#self, state, since, ...(reason !== undefined && { reason }) } },
    ];
  }

  #takeNetwork(at: Moment): readonly NodeEvent[] {
    if (this.#nextNetwork === undefined || at.monotonicMs < this.#nextNetwork.dueMs) return [];
    const { report } = this.#nextNetwork;
    this.#nextNetwork = undefined;
    const before = this.#network;
    if (before?.conclusion === report.conclusion) return [];
    const { conclusion, reason = "" } = report;
    const since = this.#timeText(report.sinceMs);
    if (isPartition(conclusion)) {
      this.#network = report;
      const { lost: count } = report.children;
      return [
        { name: "partitioned", args: { node: this.#self, conclusion, since, reason, count, nodes: [...report.lost] } },
      ];
    }
    this.#network = undefined;
    if (before === undefined) return [];
    const was = { conclusion: before.conclusion, since: this.#timeText(before.sinceMs) };
    return [{ name: "healed", args: { node: this.#self, conclusion, since, was } }];
  }

  /** What was too much before. */
  #takeSums(): readonly NodeEvent[] {
    const events: NodeEvent[] = [];
    for (const [name, { count, nodes }] of this.#summed) {
      if (this.#tokens < 1) break;
      this.#tokens--;
      this.#summed.delete(name);
      events.push({ name, args: { parent: this.#self, count, nodes } });
    }
    return events;
  }

  #takeNodes(at: Moment, isCovered: (name: string) => boolean): readonly NodeEvent[] {
    const events: NodeEvent[] = [];
    for (const [child, { news, dueMs }] of this.#pending) {
      // Losses settle for longer: those that came later may be due before.
      if (at.monotonicMs < dueMs) continue;
      this.#pending.delete(child);
      if (this.#told.get(child) === news.state) continue;
      this.#told.set(child, news.state);
      if (news.state === "lost" && isCovered(child)) continue;
      const name = nameOf[news.state];
      if (this.#tokens < 1) {
        this.#sum(name, child);
        continue;
      }
      this.#tokens--;
      const { level, sinceMs, reason } = news;
      const why = reason === undefined ? {} : { reason };
      events.push({ name, args: { node: child, level, parent: this.#self, since: this.#timeText(sinceMs), ...why } });
    }
    return events;
  }

  #sum(name: NodeEventName, child: string): void {
    const summed = this.#summed.get(name) ?? { count: 0, nodes: [] };
    summed.count++;
    if (summed.nodes.length < limits.presenceNames) summed.nodes.push(child);
    this.#summed.set(name, summed);
  }
}
