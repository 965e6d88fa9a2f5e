// What the state of the uplink and the losses below say together about the network: is it a node that failed, or a part of the network?
//
//   uplink               children                 conclusion
//   up, or a root        none lost                connected
//   up, or a root        few lost                 node-failed      they failed or were cut off
//   up, or a root        many lost at once        segment-failed   a segment below failed
//   down                 some online, or none     cut-off          parent dead, or the link to it down
//   down                 all lost, too            isolated         our own network is gone
//   down, no progress    -                        peer-stuck       link up, parent stuck: connecting anew
//   refused              -                        refused          the parent is alive and does not take this node
//   not up yet           -                        starting
//
// A child that left on purpose is no loss. One that was online when this node stopped is awaited for a while before it counts as lost.
// No clock: the time is handed in. Every change costs the same, however many children there are.
import { limits } from "../limits.ts";
import type { ChildState } from "../link/child-presence.ts";
import type { OutageCause } from "../link/uplink-machine.ts";

export type Conclusion =
  | "connected"
  | "node-failed"
  | "segment-failed"
  | "cut-off"
  | "isolated"
  | "peer-stuck"
  | "refused"
  | "starting";

export interface UplinkWord {
  /** `none`: this node is a root. */
  readonly state: "none" | "up" | "down";
  readonly cause: OutageCause;
  readonly reason: string | undefined;
}

export interface NetworkReport {
  readonly conclusion: Conclusion;
  /** When it was come to, milliseconds since 1970. */
  readonly sinceMs: number;
  /** In words; undefined while all is well. */
  readonly reason: string | undefined;
  readonly children: {
    readonly online: number;
    readonly lost: number;
    readonly left: number;
    readonly awaited: number;
  };
  /** Names of those that are lost, the first ones. */
  readonly lost: readonly string[];
}

export interface Moment {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** Milliseconds that never step. */
  readonly monotonicMs: number;
}

/** Whether a part of the tree cannot be reached: more than single nodes. */
export function isPartition(conclusion: Conclusion): boolean {
  return (
    conclusion === "segment-failed" ||
    conclusion === "cut-off" ||
    conclusion === "isolated" ||
    conclusion === "peer-stuck"
  );
}

type Known = ChildState | "awaited";

export class NetworkState {
  readonly #startedMs: number;
  #uplink: UplinkWord;
  #wasUp = false;
  readonly #children = new Map<string, Known>();
  readonly #counts = { online: 0, lost: 0, left: 0, awaited: 0 };
  /** Since when (monotonic) each is lost, the first one first. */
  readonly #lost = new Map<string, number>();
  /** Those of them that were lost within the window. */
  readonly #recent = new Map<string, number>();
  /** That were lost together with many others. */
  readonly #segment = new Set<string>();
  #segmentPeak = 0;
  #segmentGrewMs = 0;
  /** That were lost with the uplink, or while it is down. */
  readonly #withUplink = new Set<string>();
  readonly #awaited = new Set<string>();
  #concluded: { readonly conclusion: Conclusion; readonly sinceMs: number };

  constructor(at: Moment, uplink: UplinkWord) {
    this.#startedMs = at.monotonicMs;
    this.#uplink = uplink;
    this.#concluded = { conclusion: uplink.state === "none" ? "connected" : "starting", sinceMs: at.nowMs };
  }

  uplink(word: UplinkWord, at: Moment): void {
    const before = this.#uplink;
    this.#uplink = word;
    if (word.state === "up") {
      this.#wasUp = true;
      this.#withUplink.clear();
    } else if (before.state === "up") {
      this.#forgetOldLosses(at.monotonicMs);
      for (const name of this.#recent.keys()) this.#withUplink.add(name);
    }
  }

  /** The state of a child now, told as often as one likes. */
  child(name: string, state: ChildState, at: Moment): void {
    const before = this.#children.get(name);
    if (before === state) return;
    this.#set(name, state);
    if (state === "lost") this.#lose(name, at.monotonicMs);
    else this.#recover(name);
  }

  /** A child of an earlier life of this node. `isAwaited`: it was there until this node stopped. */
  restored(name: string, state: "lost" | "left", isAwaited: boolean): void {
    this.#set(name, isAwaited ? "awaited" : state);
    if (isAwaited) this.#awaited.add(name);
    else if (state === "lost") this.#lost.set(name, this.#startedMs - limits.failureWindowMs);
  }

  /** Time has passed. */
  tick(at: Moment): void {
    if (this.#awaited.size === 0 || at.monotonicMs - this.#startedMs < limits.childReturnMs) return;
    for (const name of this.#awaited) this.child(name, "lost", at);
  }

  /** Whether the loss of that child is a part of what `conclude` says of a whole part of the network. */
  isCovered(name: string): boolean {
    return this.#segment.has(name) || (this.#concluded.conclusion === "isolated" && this.#withUplink.has(name));
  }

  conclude(at: Moment): NetworkReport {
    const conclusion = this.#conclusion(at.monotonicMs);
    if (conclusion !== this.#concluded.conclusion) this.#concluded = { conclusion, sinceMs: at.nowMs };
    const lost: string[] = [];
    for (const name of this.#lost.keys()) {
      if (lost.length >= limits.presenceNames) break;
      lost.push(name);
    }
    return { ...this.#concluded, reason: this.#reason(conclusion, lost), children: { ...this.#counts }, lost };
  }

  #conclusion(monotonicMs: number): Conclusion {
    const { state, cause } = this.#uplink;
    if (state !== "down") {
      if (this.#segment.size > 0) return "segment-failed";
      return this.#lost.size > 0 ? "node-failed" : "connected";
    }
    if (cause === "refused") return "refused";
    if (this.#counts.online === 0 && this.#withUplink.size > 0) return "isolated";
    if (!this.#wasUp && monotonicMs - this.#startedMs < limits.failureWindowMs) return "starting";
    return cause === "stuck" ? "peer-stuck" : "cut-off";
  }

  #reason(conclusion: Conclusion, lost: readonly string[]): string | undefined {
    const { reason = "" } = this.#uplink;
    const because = reason === "" ? "" : ` (${reason})`;
    switch (conclusion) {
      case "connected":
        return undefined;
      case "node-failed": {
        const more = this.#lost.size - lost.length;
        const names = `${lost.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
        return `${names} failed or ${this.#lost.size === 1 ? "was" : "were"} cut off`;
      }
      case "segment-failed":
        return `a segment of the network below failed: ${this.#segment.size} nodes were lost at once`;
      case "cut-off":
        return `cut off from above: the parent is dead, or the link to it is down${because}`;
      case "isolated":
        return `this node's own network is gone: the parent and all nodes below were lost${because}`;
      case "peer-stuck":
        return `the link was up and the parent stuck: connecting anew${because}`;
      case "refused":
      case "starting":
        return reason === "" ? undefined : reason;
    }
  }

  #set(name: string, state: Known): void {
    const before = this.#children.get(name);
    if (before !== undefined) this.#counts[before]--;
    this.#counts[state]++;
    this.#children.set(name, state);
    this.#awaited.delete(name);
  }

  #lose(name: string, monotonicMs: number): void {
    this.#forgetOldLosses(monotonicMs);
    this.#lost.set(name, monotonicMs);
    this.#recent.set(name, monotonicMs);
    if (this.#uplink.state === "down") this.#withUplink.add(name);
    const isGrowing = this.#segment.size > 0 && monotonicMs - this.#segmentGrewMs < limits.failureWindowMs;
    if (isGrowing) this.#segment.add(name);
    else if (this.#areMany()) for (const one of this.#recent.keys()) this.#segment.add(one);
    else return;
    this.#segmentGrewMs = monotonicMs;
    this.#segmentPeak = Math.max(this.#segmentPeak, this.#segment.size);
  }

  /** Of those that were there when the window began. */
  #areMany(): boolean {
    const { size } = this.#recent;
    return size >= limits.segmentChildren && size >= (size + this.#counts.online) * limits.segmentShare;
  }

  #recover(name: string): void {
    this.#lost.delete(name);
    this.#recent.delete(name);
    this.#withUplink.delete(name);
    this.#segment.delete(name);
    // What is left of it are single nodes.
    if (this.#segment.size >= Math.max(limits.segmentChildren, this.#segmentPeak * limits.segmentShare)) return;
    this.#segment.clear();
    this.#segmentPeak = 0;
  }

  #forgetOldLosses(monotonicMs: number): void {
    for (const [name, atMs] of this.#recent) {
      if (monotonicMs - atMs < limits.failureWindowMs) return;
      this.#recent.delete(name);
    }
  }
}
