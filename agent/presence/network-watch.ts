// Drives shared/presence: feeds it with what presence and journal tell, says on `/level/network` (retained) and in the log what it
// concludes, and has the built-in events raised.
import { limits } from "#shared/limits.ts";
import type { ChildPresence } from "#shared/link/child-presence.ts";
import { audiencesOf } from "#shared/presence/audience.ts";
import { emptyHistory, withChange } from "#shared/presence/history.ts";
import {
  isPartition,
  NetworkState,
  type Conclusion,
  type Moment,
  type NetworkReport,
  type UplinkWord,
} from "#shared/presence/network.ts";
import { NodeNews, type EventArgs, type JournalNews, type NodeEvent } from "#shared/presence/node-news.ts";
import type { Bus } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import { networkTopic } from "#shared/topics.ts";
import { historyBody, type PresenceWatch } from "./presence.ts";

/** Has an event of the machine raised by this node. */
export type RaiseEvent = (event: {
  readonly name: string;
  readonly kind: "internal";
  readonly args: EventArgs;
  readonly durable: boolean;
  readonly ttlMs?: number;
  readonly scope: "subtree" | "machine";
  readonly condition: string;
}) => Promise<void>;

export interface NetworkStats {
  /** Gauges. */
  readonly childrenOnline: number;
  readonly childrenLost: number;
  readonly partitioned: 0 | 1;
  /** How often each was concluded since the node was started. */
  readonly nodeFailed: number;
  readonly segmentFailed: number;
  readonly cutOff: number;
  readonly isolated: number;
  readonly peerStuck: number;
  /** Built-in events, and those that could not be raised. */
  readonly events: number;
  readonly eventsFailed: number;
}

export interface NetworkWatch extends PresenceWatch {
  journal(news: JournalNews): void;
  report(): NetworkReport;
  stats(): NetworkStats;
  /** Has events raised, and lets time pass, until that is disposed. */
  run(raise: RaiseEvent): AsyncDisposable;
}

export interface NetworkWatchDeps {
  readonly bus: Pick<Bus, "publish">;
  readonly clock: Clock;
  readonly log: Logger;
}

const tickMs = 500;

/** `hasUplink`: this node is no root. */
export interface WatchingNode {
  readonly name: string;
  readonly level: string;
  readonly hasUplink: boolean;
}

export function createNetworkWatch(deps: NetworkWatchDeps, self: WatchingNode): NetworkWatch {
  return new Watch(deps, self);
}

class Watch implements NetworkWatch {
  readonly #deps: NetworkWatchDeps;
  readonly #name: string;
  readonly #level: string;
  readonly #state: NetworkState;
  readonly #news: NodeNews;
  readonly #stop = new AbortController();
  #report: NetworkReport;
  #history = emptyHistory<Conclusion>();
  #uplink: UplinkWord;
  /** Something of the report has changed since it was published. */
  #isStale = false;
  #events = 0;
  #eventsFailed = 0;

  constructor(deps: NetworkWatchDeps, { name, level, hasUplink }: WatchingNode) {
    this.#deps = deps;
    this.#name = name;
    this.#level = level;
    const at = this.#now();
    this.#uplink = { state: hasUplink ? "down" : "none", cause: "lost", reason: undefined };
    this.#state = new NetworkState(at, this.#uplink);
    this.#news = new NodeNews(name, at, (ms) => new Date(ms).toISOString());
    this.#report = this.#state.conclude(at);
    this.#note();
  }

  uplink(word: UplinkWord): void {
    this.#uplink = word;
    this.#state.uplink(word, this.#now());
    this.#conclude();
  }

  child({ name, state, sinceMs, reason, place }: ChildPresence): void {
    const at = this.#now();
    this.#state.child(name, state, at);
    this.#news.child({ name, state, sinceMs, reason, level: place.level }, at);
    this.#conclude();
  }

  restored(child: ChildPresence, isAwaited: boolean): void {
    const { name, state, sinceMs, reason, place } = child;
    if (state === "online") return;
    this.#state.restored(name, state, isAwaited);
    // Awaited, the machine takes it for online, and hears of a loss only when it does not come back.
    this.#news.restored(name, isAwaited ? "online" : state);
    const { nowMs, monotonicMs } = this.#now();
    const due = { nowMs, monotonicMs: monotonicMs + limits.childReturnMs - limits.lossSettleMs };
    if (isAwaited) this.#news.child({ name, state, sinceMs, reason, level: place.level }, due);
    this.#isStale = true;
  }

  journal(news: JournalNews): void {
    this.#news.journal(news, this.#now());
  }

  report(): NetworkReport {
    return this.#report;
  }

  stats(): NetworkStats {
    const { children, conclusion } = this.#report;
    const { counts } = this.#history;
    return {
      childrenOnline: children.online,
      childrenLost: children.lost,
      partitioned: isPartition(conclusion) ? 1 : 0,
      nodeFailed: counts["node-failed"] ?? 0,
      segmentFailed: counts["segment-failed"] ?? 0,
      cutOff: counts["cut-off"] ?? 0,
      isolated: counts.isolated ?? 0,
      peerStuck: counts["peer-stuck"] ?? 0,
      events: this.#events,
      eventsFailed: this.#eventsFailed,
    };
  }

  run(raise: RaiseEvent): AsyncDisposable {
    const ticking = this.#tick(raise);
    return {
      [Symbol.asyncDispose]: async () => {
        this.#stop.abort();
        await ticking;
      },
    };
  }

  async #tick(raise: RaiseEvent): Promise<void> {
    const { clock } = this.#deps;
    while (!this.#stop.signal.aborted) {
      this.#state.tick(this.#now());
      this.#conclude();
      if (this.#isStale) this.#publish();
      const events = this.#news.tick(this.#now(), (child) => this.#state.isCovered(child));
      for (const event of events) this.#raise(raise, event);
      await clock.sleep(tickMs, this.#stop.signal).catch(() => undefined);
    }
  }

  #raise(raise: RaiseEvent, { name, args }: NodeEvent): void {
    const isOfPartition = name === "partitioned" || name === "healed";
    const event = {
      name,
      kind: "internal",
      args,
      // A full journal has no room for the news of it.
      durable: name !== "journal-full",
      ...(isOfPartition && { ttlMs: limits.partitionEventMs }),
    } as const;
    for (const audience of audiencesOf(name, this.#level)) {
      this.#events++;
      raise({ ...event, ...audience }).catch((error: unknown) => {
        this.#eventsFailed++;
        if (!this.#stop.signal.aborted) this.#deps.log.warn({ event: name, error: String(error) }, "event not raised");
      });
    }
  }

  /** A new conclusion is told at once; who is lost and how many, with the next tick. */
  #conclude(): void {
    const before = this.#report;
    const report = this.#state.conclude(this.#now());
    this.#report = report;
    if (report.conclusion !== before.conclusion) {
      this.#note();
      this.#log(before);
    } else if (report.reason !== before.reason || report.children.online !== before.children.online) {
      this.#isStale = true;
      this.#news.network(report, this.#now());
    }
  }

  #note(): void {
    const { conclusion: state, sinceMs, reason } = this.#report;
    this.#history = withChange(this.#history, { state, sinceMs, ...(reason !== undefined && { reason }) });
    this.#news.network(this.#report, this.#now());
    this.#publish();
  }

  #log(before: NetworkReport): void {
    const { conclusion, reason, children, lost } = this.#report;
    const facts = { conclusion, before: before.conclusion, reason, lost: children.lost, nodes: lost };
    if (conclusion === "connected" || conclusion === "starting") this.#deps.log.info(facts, "network connected");
    else this.#deps.log.warn(facts, "network conclusion");
  }

  #publish(): void {
    this.#isStale = false;
    const { conclusion, sinceMs, reason, children, lost } = this.#report;
    const body = {
      node: this.#name,
      conclusion,
      since: new Date(sinceMs).toISOString(),
      ...(reason !== undefined && { reason }),
      uplink: this.#uplink.state,
      children,
      ...(lost.length > 0 && { lost }),
      history: historyBody(this.#history),
    };
    const payload = new TextEncoder().encode(JSON.stringify(body));
    this.#deps.bus
      .publish({ topic: networkTopic, payload, qos: 1, retain: true })
      .catch((error: unknown) => this.#deps.log.warn({ error: String(error) }, "network state not published"));
  }

  #now(): Moment {
    const { clock } = this.#deps;
    return { nowMs: clock.now(), monotonicMs: clock.monotonic() };
  }
}
