// A hollow node: the link and the machine core of a real device, without a broker, a store or a thread. It runs functions that are
// given to it, and remembers in memory alone what it has run.
import type { ConditionCache } from "#shared/condition/condition-cache.ts";
import { evaluateCondition } from "#shared/condition/evaluate.ts";
import type { Effect, Recorded } from "#shared/machine/effect.ts";
import { decodeEnvelope, type Envelope } from "#shared/machine/envelope.ts";
import { MachineCore } from "#shared/machine/machine-core.ts";
import type { Verdict } from "#shared/machine/on-arrival.ts";
import { above, type NeighbourView, type World } from "#shared/machine/neighbour.ts";
import { decodeReceipt, encodeReceipt } from "#shared/machine/receipt-wire.ts";
import type { NodeResult } from "#shared/machine/receipt.ts";
import type { HollowFunction } from "./hollow-functions.ts";
import { HollowLink, type HollowLinkDeps, type HollowSelf } from "./hollow-link.ts";

export interface HollowNodeDeps extends HollowLinkDeps {
  readonly conditions: ConditionCache;
  readonly functions: ReadonlyMap<string, HollowFunction>;
  /** It has something to do before long: `tick` is to be called often until `isBusy` says otherwise. */
  readonly onBusy: (node: HollowNode) => void;
}

/** Of the open messages that a real node writes to disk; here they only count. */
const keptBytesMax = 1024 * 1024;
/** Outcomes that one node remembers, the oldest go first. */
const outcomesMax = 1_000;
/** How often a busy node is to be looked at, and any node. */
export const busyMs = 50;
export const quietMs = 1_000;

export class HollowNode implements AsyncDisposable {
  readonly #deps: HollowNodeDeps;
  readonly #self: HollowSelf;
  readonly #link: HollowLink;
  readonly #core: MachineCore;
  /** By id of the call; null: it runs. */
  readonly #outcomes = new Map<string, NodeResult | null>();

  constructor(deps: HollowNodeDeps, self: HollowSelf) {
    this.#deps = deps;
    this.#self = self;
    this.#core = new MachineCore(self.name, keptBytesMax);
    this.#link = new HollowLink(deps, self, {
      frame: (kind, payload) => this.#frame(kind, payload),
      changed: () => this.#perform(this.#core.neighbourChanged(this.#world(), this.#above())),
    });
  }

  /** Something is due within the time between two looks at any node. */
  get isBusy(): boolean {
    return !this.#core.isIdle && this.#core.dueInMs(this.#world(), busyMs, quietMs) < quietMs;
  }

  /** Lets time pass for the link; the first time it dials. */
  tickLink(): void {
    this.#link.tick();
  }

  /** Lets time pass for what is open. */
  tick(): void {
    if (!this.#core.isIdle) this.#perform(this.#core.tick(this.#world()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#perform(this.#core.stop(this.#world()));
    await this.#link[Symbol.asyncDispose]();
  }

  #frame(kind: "c" | "r", payload: Uint8Array): void {
    const decoded = kind === "c" ? decodeEnvelope(payload) : decodeReceipt(payload);
    if ("malformed" in decoded) return;
    const { frame } = decoded;
    const [world, from] = [this.#world(), this.#above()];
    if ("receipt" in frame) this.#perform(this.#core.heard(world, from, frame));
    else this.#perform(this.#core.hear(world, from, frame, this.#check(frame.condition)));
  }

  #check(text: string): Verdict {
    const parsed = this.#deps.conditions.parse(text);
    if ("error" in parsed) return { error: parsed.error.message };
    const { name, place } = this.#self;
    return { holds: evaluateCondition(parsed.ok, { name, ...place, depth: this.#link.depth }) };
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) this.#performOne(effect);
    if (effects.length > 0 && this.isBusy) this.#deps.onBusy(this);
  }

  #performOne(effect: Effect): void {
    switch (effect.type) {
      case "report":
        this.#link.send("r", encodeReceipt(effect.frame));
        return;
      case "remember":
      case "recall":
        this.#perform(this.#core.recorded(this.#world(), effect.id, this.#record(effect)));
        return;
      case "run":
        this.#run(effect.envelope);
        return;
      case "outcome":
        this.#keep(effect.id, effect.result);
        this.#perform(this.#core.settled(this.#world(), effect.id));
        return;
      case "keep":
        this.#perform(this.#core.kept(this.#world(), effect.id, true));
        return;
      case "deliver":
        this.#deps.counts.events++;
        return;
      // It has no neighbour but the one that asked, no clients, and functions that end at once.
      case "ask":
      case "reply":
      case "results":
      case "refused":
      case "stop":
      case "drop":
        return;
    }
  }

  #record({ type, id }: Effect & { readonly type: "remember" | "recall" }): Recorded {
    const known = this.#outcomes.get(id);
    if (known !== undefined) return { type: "known", result: known };
    if (type === "remember") this.#keep(id, null);
    return { type: "new" };
  }

  #keep(id: string, outcome: NodeResult | null): void {
    const [oldest] = this.#outcomes.has(id) || this.#outcomes.size < outcomesMax ? [] : this.#outcomes.keys();
    if (oldest !== undefined) this.#outcomes.delete(oldest);
    this.#outcomes.set(id, outcome);
  }

  #run({ id, name, args }: Envelope): void {
    const run = this.#deps.functions.get(name);
    if (run === undefined) return;
    this.#deps.counts.ran++;
    const result: NodeResult = { node: this.#self.name, status: "done", value: run(args, this.#self) };
    this.#perform(this.#core.ran(this.#world(), id, result));
  }

  #world(): World {
    const { time, clock, functions } = this.#deps;
    const parent = this.#above();
    return {
      nowMs: time.now(),
      monotonicMs: clock.monotonic(),
      neighbours: () => [parent],
      neighbour: (key) => (key === above ? parent : undefined),
      mayHoldBelow: () => false,
      offers: (name) => functions.has(name),
      isOfferAwaited: () => false,
    };
  }

  #above(): NeighbourView {
    const { parent, number, sinceMs } = this.#link.session;
    const state = parent === undefined ? "lost" : "online";
    return { key: above, name: parent ?? this.#self.name, state, sinceMs, session: number, below: 0 };
  }
}
