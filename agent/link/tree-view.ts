// What the link tells about the tree around this node, and asks of it.
import type { Descendant, PathHop } from "#shared/link/hello.ts";
import type { OutageCause } from "#shared/link/uplink-machine.ts";
import type { ChildPresence } from "#shared/link/child-presence.ts";

export interface UplinkChange {
  readonly state: "up" | "down";
  /** Why it is down. */
  readonly reason: string | undefined;
  /** Absent: it broke, or cannot be opened. */
  readonly cause?: OutageCause;
  /** From the parent to the root; absent: as it was. */
  readonly path?: readonly PathHop[];
}

export interface TreeView {
  setUplink(change: UplinkChange): void;
  /** What an operator should look into although the link works. */
  setUplinkAlarm(reason: string): void;
  children(): readonly ChildPresence[];
  /** How many of them are online; does not look at each. */
  onlineChildren(): number;
  /** How many are known, whatever their state. */
  knownChildren(): number;
  child(name: string): ChildPresence | undefined;
  setChild(child: ChildPresence): void;
  /** Tells local clients that something is wrong with a child's name, until `expireAlarms` finds that nobody has said so for a while. */
  setAlarm(child: string, reason: string): void;
  expireAlarms(): void;
  /** Everything known below, this node's children first. */
  descendants(): readonly Descendant[];
  /** This node as a hop, and what is above it: what its children are told. */
  path(): readonly PathHop[];
  /** Hears each time `path` has changed, at once. */
  onPath(handler: () => void): Disposable;
  /** Grows with every change of `descendants` and of `path`. */
  version(): { readonly below: number; readonly above: number };
}
