// What this node knows of the tree around it: the children below, the path above. Published retained on the node's own level
// for every local client: `/level/presence/<child>`, `/level/uplink`, with what has changed since the node was started. Kept in memory
// only: what an earlier life knew is no news. What it costs to tell of a child does not grow with the number of children.
import type { Level, NodeName } from "#shared/ids.ts";
import type { Descendant } from "#shared/link/descendant.ts";
import type { PathHop } from "#shared/link/hello.ts";
import { limits } from "#shared/limits.ts";
import { descendantsOf, isInDoubt, type ChildPresence, type ChildState } from "#shared/link/child-presence.ts";
import { textOf, type NameRuling } from "#shared/link/name-rulings.ts";
import type { OutageCause } from "#shared/link/uplink-machine.ts";
import { emptyHistory, withChange, type Change, type History } from "#shared/presence/history.ts";
import type { UplinkWord } from "#shared/presence/network.ts";
import { reachOf, reachText } from "#shared/presence/reach.ts";
import type { Bus } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import { presenceTopic, uplinkTopic } from "#shared/topics.ts";
import { NameWatch, type RoutedRuling } from "./name-watch.ts";

/** How this node stands to its parent. */
export interface UplinkStatus {
  /** `none`: this node is a root. */
  readonly state: "none" | "up" | "down";
  /** When that changed, milliseconds since 1970. */
  readonly sinceMs: number;
  readonly url: string | undefined;
  /** Why it is down. */
  readonly reason: string | undefined;
  /** From the parent to the root, as the parent last told. */
  readonly path: readonly PathHop[];
  /** What an operator should look into although the link works. */
  readonly alarm: string | undefined;
}

export interface Presence {
  uplink(): UplinkStatus;
  /** Without a path: as it was. */
  setUplink(change: {
    readonly state: "up" | "down";
    readonly reason: string | undefined;
    /** Why it is down; absent: it broke, or cannot be opened. */
    readonly cause?: OutageCause;
    readonly path?: readonly PathHop[];
  }): void;
  /** Whose child this node is and was. */
  setParents(parents: readonly NodeName[]): void;
  /** Stands in `/level/uplink` from now on. */
  setUplinkAlarm(reason: string): void;
  children(): readonly ChildPresence[];
  onlineChildren(): number;
  /** How many are known, whatever their state. */
  knownChildren(): number;
  child(name: string): ChildPresence | undefined;
  setChild(child: ChildPresence): void;
  /** Stands in the child's presence until nobody has said so for `limits.duplicateNameMs`. */
  setAlarm(child: string, reason: string): void;
  expireAlarms(): void;
  /** All that an operator should look into now. */
  alarms(): readonly TreeAlarm[];
  /** A child as it was known when this node stopped: whoever was online then has been lost since. */
  restoreChild(known: KnownChild): void;
  /** `NameClaims.vouched` of what the children tell now. */
  vouched(child: string, origin: string, epoch: number): ReadonlySet<string> | undefined;
  /** What the parent says of names that two nodes bear. */
  hearRulings(rulings: readonly NameRuling[]): void;
  /** Stands in `/level/uplink` until it is undefined. */
  setNameAlarm(reason: string | undefined): void;
  /** All that stands now, this node's own findings included, with the child that is to hear of it. Sets alarms. */
  reviewNames(): readonly RoutedRuling[];
  /** Why that child is kept out for its name; undefined when it is not. */
  rulingAgainst(child: string, uuid: string): NameRuling | undefined;
  /** Everything known below, this node's children first. */
  descendants(): readonly Descendant[];
  /** Some child has not told yet all that is below it. */
  isBelowInDoubt(): boolean;
  /** This node as a hop, and what is above it: what it tells its children. */
  path(): readonly PathHop[];
  /** Hears each time `path` has changed, at once. */
  onPath(handler: () => void): Disposable;
  /** Grows with every change of `descendants` or `path`. */
  version(): { readonly below: number; readonly above: number };
}

/** What a node keeps of its children beyond its own life. */
export type KnownChild = Pick<ChildPresence, "name" | "uuid" | "session" | "conn" | "place" | "state" | "sinceMs"> & {
  readonly isLeaf?: boolean;
};

export interface TreeAlarm {
  /** Name of a child, or "uplink". */
  readonly about: string;
  readonly reason: string;
  /** Milliseconds since 1970; absent where the reason says it. */
  readonly sinceMs?: number;
}

interface Alarm {
  readonly reason: string;
  readonly sinceMs: number;
  readonly saidMonotonicMs: number;
}

/** Of a child that has many below it: the alarm's length is bounded. */
const rulingsNamed = 5;

/** Whoever draws conclusions from changes. */
export interface PresenceWatch {
  uplink(word: UplinkWord): void;
  /** Its state has changed, or its session. */
  child(child: ChildPresence): void;
  /** A child of an earlier life. `isAwaited`: it was there when the node stopped. */
  restored(child: ChildPresence, isAwaited: boolean): void;
}

export interface PresenceDeps {
  readonly bus: Pick<Bus, "publish">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly watch?: PresenceWatch;
}

export function createPresence(
  deps: PresenceDeps,
  self: { readonly name: NodeName; readonly level: Level; readonly url: string | undefined },
): Presence {
  const childrenByName = new Map<string, ChildPresence>();
  const histories = new Map<string, History<ChildState>>();
  const alarms = new Map<string, Alarm>();
  const names = new NameWatch(deps, self.name);
  let nameAlarm: string | undefined;
  const pathHandlers = new Set<() => void>();
  let onlineChildren = 0;
  let below = 1;
  let above = 1;
  const isRoot = self.url === undefined;
  let uplink: UplinkStatus = {
    state: isRoot ? "none" : "down",
    sinceMs: deps.clock.now(),
    url: self.url,
    reason: isRoot ? undefined : "not connected yet",
    path: [],
    alarm: undefined,
  };
  let uplinkHistory = withChange(emptyHistory<UplinkStatus["state"]>(), changeOf(uplink));
  publishUplink();

  return {
    uplink: () => uplink,
    setUplink({ cause = "lost", ...change }) {
      const before = uplink;
      const changed = change.state !== before.state;
      uplink = { ...before, ...change, sinceMs: changed ? deps.clock.now() : before.sinceMs };
      if (changed) uplinkHistory = withChange(uplinkHistory, changeOf(uplink));
      deps.watch?.uplink({ state: uplink.state, cause, reason: uplink.reason });
      const isPathNews = changed || !isSamePath(before.path, uplink.path);
      if (isPathNews) above++;
      if (changed) logUplink();
      if (isPathNews || before.reason !== uplink.reason) publishUplink();
      if (isPathNews) for (const handler of pathHandlers) handler();
    },
    setUplinkAlarm(reason) {
      uplink = { ...uplink, alarm: reason };
      publishUplink();
    },
    children: () => [...childrenByName.values()],
    onlineChildren: () => onlineChildren,
    knownChildren: () => childrenByName.size,
    child: (name) => childrenByName.get(name),
    setChild,
    setAlarm,
    expireAlarms() {
      for (const [name, { saidMonotonicMs }] of alarms) {
        if (deps.clock.monotonic() - saidMonotonicMs < limits.duplicateNameMs) continue;
        alarms.delete(name);
        const child = childrenByName.get(name);
        if (child !== undefined) publishChild(child);
      }
    },
    alarms() {
      const ofChildren = [...alarms].map(([about, { reason, sinceMs }]) => ({ about, reason, sinceMs }));
      const ofUplink = uplinkAlarms().map((reason) => ({ about: "uplink", reason }));
      return [...ofUplink, ...ofChildren];
    },
    restoreChild({ isLeaf = false, ...known }) {
      const nowMs = deps.clock.now();
      const wasOnline = known.state === "online";
      // Lost a moment before this node started, it may have been a life too short for anybody to come back.
      const isAwaited = wasOnline || (known.state === "lost" && nowMs - known.sinceMs < limits.childReturnMs);
      const child: ChildPresence = {
        ...known,
        state: wasOnline ? "lost" : known.state,
        sinceMs: wasOnline ? nowMs : known.sinceMs,
        ...(known.state !== "left" && { reason: "not heard since this node was started" }),
        heardAtMs: known.sinceMs,
        heardMonotonicMs: deps.clock.monotonic(),
        descendants: [],
        wasLeaf: isLeaf,
      };
      keepChild(child);
      deps.watch?.restored(child, isAwaited);
    },
    setParents: (parents) => names.setParents(parents),
    vouched: (child, origin, epoch) => names.vouched(child, origin, epoch),
    hearRulings(rulings) {
      names.hear(rulings);
      const mine = rulings.find(({ node, parent }) => node === self.name && parent === uplink.path[0]?.name);
      setNameAlarm(mine === undefined ? undefined : textOf(mine));
    },
    setNameAlarm,
    reviewNames() {
      const routed = names.review();
      for (const [child, about] of Map.groupBy(routed, (one) => one.child)) {
        setAlarm(
          child,
          about
            .slice(0, rulingsNamed)
            .map(({ ruling }) => textOf(ruling))
            .join("; "),
        );
      }
      return routed;
    },
    rulingAgainst: (child, uuid) => names.against(child, uuid),
    descendants: () => descendantsOf(childrenByName.values(), self.name),
    isBelowInDoubt: () => [...childrenByName.values()].some(isInDoubt),
    path() {
      return [{ name: self.name, level: self.level, uplink: ownUplink(), sinceMs: uplink.sinceMs }, ...uplink.path];
    },
    onPath(handler) {
      pathHandlers.add(handler);
      return { [Symbol.dispose]: () => void pathHandlers.delete(handler) };
    },
    version: () => ({ below, above }),
  };

  function setAlarm(name: string, reason: string): void {
    const known = alarms.get(name);
    const sinceMs = known?.sinceMs ?? deps.clock.now();
    alarms.set(name, { reason, sinceMs, saidMonotonicMs: deps.clock.monotonic() });
    const child = childrenByName.get(name);
    if (known?.reason !== reason && child !== undefined) publishChild(child);
  }

  function setNameAlarm(reason: string | undefined): void {
    if (reason === nameAlarm) return;
    nameAlarm = reason;
    publishUplink();
  }

  function uplinkAlarms(): readonly string[] {
    return [uplink.alarm, nameAlarm].filter((reason) => reason !== undefined);
  }

  function setChild(child: ChildPresence): void {
    if (keepChild(child)) deps.watch?.child(child);
  }

  /** Whether that was news. */
  function keepChild(child: ChildPresence): boolean {
    const before = childrenByName.get(child.name);
    childrenByName.set(child.name, child);
    onlineChildren += Number(child.state === "online") - Number(before?.state === "online");
    const changed = before?.state !== child.state || before.session !== child.session;
    if (changed || before.descendants !== child.descendants || before.isKeptOut !== child.isKeptOut) {
      below++;
      names.put(child);
    }
    if (!changed) return false;
    if (before?.state !== child.state) {
      const history = histories.get(child.name) ?? emptyHistory();
      histories.set(child.name, withChange(history, changeOf(child)));
      deps.log.info({ child: child.name, state: child.state }, "child changed");
    }
    publishChild(child);
    return true;
  }

  function publishChild(child: ChildPresence): void {
    const alarm = alarms.get(child.name);
    publish(presenceTopic(child.name), {
      node: child.name,
      state: child.state,
      since: iso(child.sinceMs),
      ...(child.reason === undefined ? {} : { reason: child.reason }),
      level: child.place.level,
      parent: self.name,
      ...(alarm && { alarm: { reason: alarm.reason, since: iso(alarm.sinceMs) } }),
      history: historyBody(histories.get(child.name) ?? emptyHistory()),
    });
  }

  function ownUplink(): PathHop["uplink"] {
    return uplink.state === "none" ? "root" : uplink.state;
  }

  function logUplink(): void {
    const { state, url, reason, path } = uplink;
    if (state === "up") deps.log.info({ url, parent: path[0]?.name }, "uplink up");
    else deps.log.warn({ url, reason }, "uplink lost");
  }

  function publishUplink(): void {
    const { name } = self;
    const reach = reachOf({ name, uplink: ownUplink(), sinceMs: uplink.sinceMs }, uplink.path);
    const { broken, hops } = reach;
    publish(uplinkTopic, {
      state: uplink.state,
      since: iso(uplink.sinceMs),
      ...(uplink.reason === undefined ? {} : { reason: uplink.reason }),
      ...(uplinkAlarms().length === 0 ? {} : { alarm: uplinkAlarms().join("; ") }),
      path: uplink.path.map((hop, index) => {
        const unreachableSinceMs = hops[index]?.unreachableSinceMs;
        return {
          node: hop.name,
          level: hop.level,
          uplink: hop.uplink,
          since: iso(hop.sinceMs),
          ...(unreachableSinceMs === undefined ? {} : { unreachableSince: iso(unreachableSinceMs) }),
        };
      }),
      ...(broken === undefined ? {} : { broken: { at: broken.at, since: iso(broken.sinceMs) } }),
      ...(hops.length === 0 ? {} : { summary: reachText(reach, iso) }),
      history: historyBody(uplinkHistory),
    });
  }

  function publish(topic: string, body: object): void {
    const payload = new TextEncoder().encode(JSON.stringify(body));
    deps.bus.publish({ topic, payload, qos: 1, retain: true }).catch((error: unknown) => {
      deps.log.warn({ topic, error: String(error) }, "presence not published");
    });
  }
}

function changeOf<State extends string>({
  state,
  sinceMs,
  reason,
}: {
  readonly state: State;
  readonly sinceMs: number;
  readonly reason?: string | undefined;
}): Change<State> {
  return { state, sinceMs, ...(reason !== undefined && { reason }) };
}

/** As local clients read it. */
export function historyBody({ changes, counts }: History<string>): object {
  return {
    counts,
    changes: changes.map(({ state, sinceMs, reason }) => ({
      state,
      since: iso(sinceMs),
      ...(reason !== undefined && { reason }),
    })),
  };
}

function isSamePath(a: readonly PathHop[], b: readonly PathHop[]): boolean {
  const isSame = (one: PathHop, other: PathHop | undefined): boolean =>
    one.name === other?.name &&
    one.level === other.level &&
    one.uplink === other.uplink &&
    one.sinceMs === other.sinceMs;
  return a.length === b.length && a.every((hop, index) => isSame(hop, b[index]));
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
