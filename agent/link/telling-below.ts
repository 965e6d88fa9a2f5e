// What the hello and the heartbeats of this node's uplink say of the nodes below it.
import { isNodeName, type NodeName } from "#shared/ids.ts";
import type { StreamState } from "#shared/journal/stream.ts";
import type { Descendant } from "#shared/link/descendant.ts";
import { capabilities, type Heartbeat, type Hello, type Welcome } from "#shared/link/hello.ts";
import { ToldDescendants } from "#shared/link/told-descendants.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { TreeView } from "./tree-view.ts";

/** With thousands coming back, news of them goes up this often, not with each. */
const newsMs = 1_000;

type Below = Pick<TreeView, "descendants" | "isBelowInDoubt" | "version">;

export class TellingBelow {
  readonly #tree: Below;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #self: NodeName;
  readonly #told = new ToldDescendants();
  /** Nodes that this session has named as below this one. */
  readonly #named = new Set<string>();
  #version = 0;
  /** The parent takes portions and changes. */
  #takesNews = false;
  #beatAtMs = 0;

  constructor(tree: Below, clock: Pick<Clock, "monotonic">, self: NodeName) {
    this.#tree = tree;
    this.#clock = clock;
    this.#self = self;
  }

  /** `streams`: what the hello names beside it. */
  forHello(streams: readonly StreamState[]): Pick<Hello, "descendants" | "missing" | "relays"> {
    this.#named.clear();
    const { descendants, missing } = this.#told.forHello(this.#look());
    return { descendants, ...(missing && { missing }), ...this.#relays(streams, descendants) };
  }

  welcomed(welcome: Pick<Welcome, "capabilities">): void {
    this.#takesNews = ((welcome.capabilities ?? 0) & capabilities.descendantNews) !== 0;
  }

  /** Whether a heartbeat should go although none is due. */
  hasNews(): boolean {
    const nowMs = this.#clock.monotonic();
    if (nowMs - this.#beatAtMs < newsMs) return false;
    return this.#isChanged() || (this.#takesNews && this.#told.isDue(nowMs));
  }

  forBeat(streams: readonly StreamState[]): Pick<Heartbeat, "descendants" | "below" | "relays"> {
    const nowMs = this.#clock.monotonic();
    this.#beatAtMs = nowMs;
    if (this.#isChanged()) this.#told.update(this.#look());
    const descendants = this.#takesNews ? undefined : this.#told.wholeForBeat();
    const below = this.#takesNews ? this.#told.forBeat(nowMs) : undefined;
    const named = descendants ?? below?.told.map(([, node]) => node) ?? [];
    return { descendants, ...(below && { below }), ...this.#relays(streams, named) };
  }

  /** The parent's answer to a portion. */
  heard(portion: number | undefined): void {
    if (portion !== undefined) this.#told.heard(portion);
  }

  #isChanged(): boolean {
    return this.#tree.version().below !== this.#version;
  }

  #look(): { readonly list: readonly Descendant[]; readonly isInDoubt: boolean } {
    this.#version = this.#tree.version().below;
    return { list: this.#tree.descendants(), isInDoubt: this.#tree.isBelowInDoubt() };
  }

  /** The origins of `streams` that the parent has not heard of as nodes below this one, `descendants` apart. */
  #relays(
    streams: readonly StreamState[],
    descendants: readonly Descendant[],
  ): { readonly relays?: readonly NodeName[] } {
    for (const { name } of descendants) this.#named.add(name);
    const relays = new Set<NodeName>();
    for (const { origin } of streams) {
      if (origin === this.#self || this.#named.has(origin) || !isNodeName(origin)) continue;
      this.#named.add(origin);
      relays.add(origin);
    }
    return relays.size === 0 ? {} : { relays: [...relays] };
  }
}
