// What the link tells about the tree around this node, and asks of it.
import type { NodeName } from "#shared/ids.ts";
import type { Descendant } from "#shared/link/descendant.ts";
import type { PathHop } from "#shared/link/hello.ts";
import type { NameRuling } from "#shared/link/name-rulings.ts";
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
  /** Whose child this node is and was. */
  setParents(parents: readonly NodeName[]): void;
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
  /** `NameClaims.vouched` of what the children tell now. */
  vouched(child: string, origin: string, epoch: number): ReadonlySet<string> | undefined;
  /** What the parent says of names that two nodes bear. */
  hearRulings(rulings: readonly NameRuling[]): void;
  /** Why this node is kept out for its name, or that another is; undefined: neither. */
  setNameAlarm(reason: string | undefined): void;
  /** All that stands now, this node's own findings included, with the child that is to hear of it. Sets alarms. */
  reviewNames(): readonly { readonly ruling: NameRuling; readonly child: string }[];
  /** Why that child is kept out for its name; undefined when it is not. */
  rulingAgainst(child: string, uuid: string): NameRuling | undefined;
  /** Everything known below, this node's children first. */
  descendants(): readonly Descendant[];
  /** Some child has not told yet all that is below it. */
  isBelowInDoubt(): boolean;
  /** This node as a hop, and what is above it: what its children are told. */
  path(): readonly PathHop[];
  /** Hears each time `path` has changed, at once. */
  onPath(handler: () => void): Disposable;
  /** Grows with every change of `descendants` and of `path`. */
  version(): { readonly below: number; readonly above: number };
}
