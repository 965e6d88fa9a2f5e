// Whom a node exchanges machine messages with: its children, and its parent.
import type { NodeName } from "../ids.ts";

/** The parent, whichever that is. No node can have that name. */
export const above = "^";

export type Neighbour = NodeName | typeof above;

export interface NeighbourView {
  readonly key: Neighbour;
  /** Of the parent: the last one known; this node's own as long as none was. */
  readonly name: NodeName;
  /** `lost`: it is away and did not mean to be. `left`: it went on purpose. */
  readonly state: "online" | "lost" | "left";
  /** When that changed, tree time. */
  readonly sinceMs: number;
  /** Another number for each session: what was sent in an older one may be lost. */
  readonly session: number;
  /** Another number whenever nodes have come below it. */
  readonly below: number;
}

/** What the core asks about the node and its surroundings at one moment. All of it is values: asking changes nothing. */
export interface World {
  /** Tree time, milliseconds since 1970. */
  readonly nowMs: number;
  /** Milliseconds that never step. */
  readonly monotonicMs: number;
  neighbours(): Iterable<NeighbourView>;
  neighbour(key: Neighbour): NeighbourView | undefined;
  /** Whether the condition may hold for the child or anything below it. True when in doubt. */
  mayHoldBelow(condition: string, child: NodeName): boolean;
  /** Whether anybody on this node offers the function. */
  offers(name: string): boolean;
  /** Whether nobody does and somebody did a short while ago: a program that may come back. */
  isOfferAwaited(name: string): boolean;
}
