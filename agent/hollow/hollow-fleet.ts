// Thousands of hollow nodes in one process: they dial one after the other, and share the ticks.
import { ConditionCache } from "#shared/condition/condition-cache.ts";
import type { Level, NodeName } from "#shared/ids.ts";
import { parseNodeName } from "#shared/ids.ts";
import type { NodePlace } from "#shared/link/descendant.ts";
import type { PlainValue } from "#shared/machine/plain-value.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Random } from "#shared/system/random.ts";
import type { DialParent } from "../link/parent-connection.ts";
import { createTreeTime } from "../link/tree-time.ts";
import { HollowCounts, type HollowReport } from "./hollow-counts.ts";
import { hollowFunctions } from "./hollow-functions.ts";
import { busyMs, HollowNode, quietMs } from "./hollow-node.ts";

export interface HollowPlan {
  readonly children: number;
  /** Children are spread over them evenly: neighbours in number have different parents. */
  readonly parents: readonly DialParent[];
  /** Of their names; the number follows, from 1. */
  readonly prefix: string;
  readonly level: Level;
  /** Of all; with `zones` its number is added. */
  readonly zone: string | undefined;
  /** Zones that the children are spread over, each parent's children over all of them; 0: the zone is the same for all. */
  readonly zones: number;
  readonly tags: readonly string[];
  /** Functions beside the usual ones, with what they answer. */
  readonly answers: ReadonlyMap<string, PlainValue>;
  /** Nodes that dial per second. */
  readonly perSecond: number;
}

export interface HollowFleet extends AsyncDisposable {
  report(): HollowReport;
}

/** Starts to dial; disposing says goodbye to the parents. Throws FOGBANK_NAME_INVALID for a prefix that makes no name. */
export function startHollowFleet(
  deps: { readonly clock: Clock; readonly random: Random },
  plan: HollowPlan,
): HollowFleet {
  return new Fleet(deps, plan);
}

/** Ticks of links are spread over the time between two looks at any node, so that heartbeats are spread as well. */
const slices = quietMs / busyMs;
/** They are nowhere in particular. */
const site = { lat: undefined, lon: undefined, class: undefined };
const defaultZone = "zone-";

class Fleet implements HollowFleet {
  readonly #clock: Clock;
  readonly #counts = new HollowCounts();
  readonly #nodes: readonly HollowNode[];
  readonly #busy = new Set<HollowNode>();
  readonly #perTick: number;
  readonly #stop = new AbortController();
  readonly #ticking: Promise<void>;
  #dialled = 0;

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }, plan: HollowPlan) {
    this.#clock = clock;
    this.#perTick = (plan.perSecond * busyMs) / 1000;
    const shared = {
      clock,
      random,
      counts: this.#counts,
      conditions: new ConditionCache(),
      functions: hollowFunctions(() => clock.now(), plan.answers),
      onBusy: (node: HollowNode) => void this.#busy.add(node),
    };
    this.#nodes = Array.from({ length: plan.children }, (_, index) => {
      const dial = plan.parents[index % plan.parents.length];
      if (dial === undefined) throw new Error("unreachable");
      return new HollowNode({ ...shared, dial, time: createTreeTime(clock, false) }, selfOf(plan, index));
    });
    this.#ticking = this.#tick();
  }

  report(): HollowReport {
    return this.#counts.report();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ticking;
    await Promise.all(this.#nodes.map((node) => node[Symbol.asyncDispose]()));
  }

  async #tick(): Promise<void> {
    let dueMs = this.#clock.monotonic();
    for (let turn = 0; !this.#stop.signal.aborted; turn++) {
      const dialledMax = Math.min(this.#nodes.length, Math.ceil((turn + 1) * this.#perTick));
      for (; this.#dialled < dialledMax; this.#dialled++) this.#nodes[this.#dialled]?.tickLink();
      for (let at = turn % slices; at < this.#dialled; at += slices) {
        this.#nodes[at]?.tickLink();
        this.#nodes[at]?.tick();
      }
      for (const node of this.#busy) {
        node.tick();
        if (!node.isBusy) this.#busy.delete(node);
      }
      // By the clock, not from the end of the work: a process that gets little time must not fall behind with its heartbeats.
      const nowMs = this.#clock.monotonic();
      dueMs = Math.max(dueMs + busyMs, nowMs - quietMs);
      await this.#clock.sleep(Math.max(1, dueMs - nowMs), this.#stop.signal).catch(() => undefined);
    }
  }
}

function selfOf(
  { prefix, level, zone, zones, parents, tags }: HollowPlan,
  index: number,
): {
  readonly name: NodeName;
  readonly place: NodePlace;
} {
  const own = zones === 0 ? zone : `${zone ?? defaultZone}${(Math.floor(index / parents.length) % zones) + 1}`;
  return { name: parseNodeName(`${prefix}${index + 1}`), place: { level, zone: own, tags, site } };
}
