// The neighbours of this node as the core sees them, and which of them have changed since it last looked.
import { isNodeName, type NodeName } from "#shared/ids.ts";
import { above, type Neighbour, type NeighbourView, type World } from "#shared/machine/neighbour.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { ParentLink } from "#shared/system/parent-link.ts";

export interface ChildView {
  readonly name: NodeName;
  readonly state: "online" | "lost" | "left";
  readonly sinceMs: number;
  readonly session: number;
  /** Another object when it reported others than before. */
  readonly descendants: readonly { readonly name: string; readonly online: boolean }[];
}

/** What of presence matters to machine messages. */
export interface PresenceView {
  children(): readonly ChildView[];
  child(name: string): ChildView | undefined;
  /** `below` grows with every change of the children and what they report. */
  version(): { readonly below: number };
  /** `none`: this node is a root. */
  uplink(): { readonly state: "none" | "up" | "down"; readonly sinceMs: number };
}

export interface SurroundingsDeps {
  readonly tree: PresenceView;
  readonly parent: Pick<ParentLink, "parent">;
  readonly clock: Pick<Clock, "monotonic">;
  readonly treeNow: () => number;
  readonly mayHoldBelow: (condition: string, child: string) => boolean;
  readonly offers: (name: string) => boolean;
  readonly isOfferAwaited: (name: string) => boolean;
}

export class Surroundings {
  readonly #deps: SurroundingsDeps;
  #parentName: NodeName;
  /** Sessions with the parent so far. */
  #ups = 0;
  #seenBelow = 0;
  #seenAbove: NeighbourView | undefined;
  readonly #seen = new Map<NodeName, ChildView>();
  /** How often nodes have come below a child. */
  readonly #comings = new Map<NodeName, number>();
  /** Each message looks at all of them. */
  readonly #views = new WeakMap<ChildView, NeighbourView>();

  constructor(deps: SurroundingsDeps, self: NodeName) {
    this.#deps = deps;
    this.#parentName = self;
  }

  /** A session with the parent has begun. */
  up(): void {
    this.#ups++;
  }

  world(): World {
    const { tree, clock, treeNow, mayHoldBelow, offers, isOfferAwaited } = this.#deps;
    return {
      nowMs: treeNow(),
      monotonicMs: clock.monotonic(),
      neighbours: () => this.#all(),
      neighbour: (key: Neighbour) => {
        if (key === above) return this.above();
        const child = tree.child(key);
        return child && this.#viewOf(child);
      },
      mayHoldBelow,
      offers,
      isOfferAwaited,
    };
  }

  /** Undefined at a root. */
  above(): NeighbourView | undefined {
    const { state, sinceMs } = this.#deps.tree.uplink();
    if (state === "none") return undefined;
    const name = this.#deps.parent.parent();
    if (name !== undefined && isNodeName(name)) this.#parentName = name;
    const isUp = name !== undefined;
    return {
      key: above,
      name: this.#parentName,
      state: isUp ? "online" : "lost",
      sinceMs,
      session: this.#ups,
      below: 0,
    };
  }

  /** Neighbours that are not as they were at the last look. */
  changes(): readonly NeighbourView[] {
    const changed: NeighbourView[] = [];
    const up = this.above();
    const seen = this.#seenAbove;
    if (up !== undefined && (up.state !== seen?.state || up.session !== seen.session)) changed.push(up);
    this.#seenAbove = up;
    const { below } = this.#deps.tree.version();
    if (below === this.#seenBelow) return changed;
    this.#seenBelow = below;
    for (const child of this.#deps.tree.children()) {
      const { name, state, session, descendants } = child;
      const known = this.#seen.get(name);
      if (known?.state === state && known.session === session && known.descendants === descendants) continue;
      this.#seen.set(name, child);
      if (hasComings(known, child)) this.#comings.set(name, (this.#comings.get(name) ?? 0) + 1);
      changed.push(this.#viewOf(child));
    }
    return changed;
  }

  #viewOf(child: ChildView): NeighbourView {
    const { name, state, sinceMs, session } = child;
    const below = this.#comings.get(name) ?? 0;
    const known = this.#views.get(child);
    if (known?.below === below) return known;
    const view: NeighbourView = { key: name, name, state, sinceMs, session, below };
    this.#views.set(child, view);
    return view;
  }

  *#all(): Generator<NeighbourView> {
    const up = this.above();
    if (up !== undefined) yield up;
    for (const child of this.#deps.tree.children()) yield this.#viewOf(child);
  }
}

/** Whether nodes are online below `child` that were not before. */
function hasComings(before: ChildView | undefined, child: ChildView): boolean {
  if (before === undefined || before.descendants === child.descendants) return false;
  const known = new Set(before.descendants.filter(({ online }) => online).map(({ name }) => name));
  return child.descendants.some(({ name, online }) => online && !known.has(name));
}
