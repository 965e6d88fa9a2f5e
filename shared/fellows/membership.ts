// Whom this server is connected to, and on which topics each fellow is reached [U31] [C1]: follows the list of fellows in the coordinator.
//
//   held --the gate of the start is open--> following         nothing is dialled before [U29]; never back
//
// A server dials the listener of every fellow and subscribes there to its own two topics; who sends publishes on its own broker. Two
// servers with one hostname are known by their UUIDs: neither uses that hostname as a topic while both are there [U-T13].
import { limits } from "../limits.ts";
import { formatAddress } from "./address.ts";
import { hostnameTopic, uuidTopic, type PathKind } from "./cluster-topics.ts";
import type { Fellow } from "./fellow.ts";
import type { ClusterName, FellowId, Hostname } from "./fellow-names.ts";

/** The topics on which a fellow is reached. */
export interface Route {
  /** Undefined while another server has the same hostname. */
  readonly hostname: string | undefined;
  readonly uuid: string;
}

export type Routes = ReadonlyMap<FellowId, Route>;

interface Connection {
  readonly fellow: Fellow;
  /** Own topics that are subscribed to there. */
  readonly filters: readonly string[];
}

export interface Membership {
  readonly at: "held" | "following";
  readonly self: Fellow;
  readonly cluster: ClusterName;
  /** As the coordinator told last, without this server. */
  readonly fellows: readonly Fellow[];
  readonly connections: ReadonlyMap<FellowId, Connection>;
  /** Hostnames of several servers, that have been warned of. */
  readonly duplicates: ReadonlySet<Hostname>;
  /** Fellows beyond `limits.fellows`. */
  readonly leftOut: number;
}

export type MembershipEvent =
  | { readonly type: "gate-opened" }
  /** Everyone who is there now, this server too or not. */
  | { readonly type: "fellows"; readonly fellows: readonly Fellow[] };

/** In this order: who is gone first, routes last. */
export type MembershipEffect =
  | { readonly type: "disconnect"; readonly uuid: FellowId }
  /** Dial, and subscribe with QoS 2; again and again, until `disconnect`. */
  | { readonly type: "connect"; readonly fellow: Fellow; readonly filters: readonly string[]; readonly qos: 2 }
  /** On the connection that is there. */
  | { readonly type: "subscribe"; readonly uuid: FellowId; readonly filter: string; readonly qos: 2 }
  | { readonly type: "unsubscribe"; readonly uuid: FellowId; readonly filter: string }
  | { readonly type: "warn-duplicate"; readonly hostname: Hostname; readonly uuids: readonly FellowId[] }
  | { readonly type: "duplicate-gone"; readonly hostname: Hostname }
  | { readonly type: "warn-too-many"; readonly leftOut: number }
  /** For whoever sends. */
  | { readonly type: "routes"; readonly routes: Routes };

export function newMembership(self: Fellow, cluster: ClusterName): Membership {
  return {
    at: "held",
    self,
    cluster,
    fellows: [],
    connections: new Map(),
    duplicates: new Set(),
    leftOut: 0,
  };
}

export function stepMembership(
  state: Membership,
  event: MembershipEvent,
): readonly [Membership, readonly MembershipEffect[]] {
  switch (event.type) {
    case "gate-opened":
      return state.at === "held" ? follow({ ...state, at: "following" }) : [state, []];
    case "fellows": {
      const others = new Map(event.fellows.map((fellow) => [fellow.uuid, fellow]));
      others.delete(state.self.uuid);
      const next = { ...state, fellows: [...others.values()] };
      return state.at === "held" ? [next, []] : follow(next);
    }
  }
}

/** The topic of a fellow for `kind`, or its UUID's where its hostname is no topic. */
export function topicOf({ hostname, uuid }: Route, kind: PathKind): string {
  return kind === "hostname" ? (hostname ?? uuid) : uuid;
}

/** Makes everything as the list of fellows says. */
function follow(state: Membership): readonly [Membership, readonly MembershipEffect[]] {
  const { self, cluster, connections } = state;
  const chosen = choose(state);
  const leftOut = state.fellows.length - chosen.length;
  const sharing = serversByHostname([self, ...state.fellows]);
  const duplicates = new Set([...sharing].filter(([, uuids]) => uuids.length > 1).map(([hostname]) => hostname));
  const filters = topicsOf(self, cluster, duplicates);
  const next = new Map(chosen.map((fellow) => [fellow.uuid, { fellow, filters }]));
  const routes = new Map(
    chosen.map((fellow) => {
      const hostname = duplicates.has(fellow.hostname) ? undefined : hostnameTopic(cluster, fellow.hostname);
      return [fellow.uuid, { hostname, uuid: uuidTopic(cluster, fellow.uuid) }];
    }),
  );
  const effects: MembershipEffect[] = [
    ...changesOf(connections, next),
    ...warningsOf(state.duplicates, duplicates, sharing),
    ...(leftOut > 0 && leftOut !== state.leftOut ? [{ type: "warn-too-many", leftOut } as const] : []),
    { type: "routes", routes },
  ];
  return [{ ...state, connections: next, duplicates, leftOut }, effects];
}

/** All, or as many as may be: those that are connected stay so. */
function choose({ fellows, connections }: Membership): readonly Fellow[] {
  if (fellows.length <= limits.fellows) return fellows;
  const byUuid = fellows.toSorted((a, b) => (a.uuid < b.uuid ? -1 : 1));
  const known = byUuid.filter(({ uuid }) => connections.has(uuid));
  const others = byUuid.filter(({ uuid }) => !connections.has(uuid));
  return [...known, ...others].slice(0, limits.fellows);
}

function serversByHostname(servers: readonly Fellow[]): ReadonlyMap<Hostname, readonly FellowId[]> {
  const sharing = new Map<Hostname, FellowId[]>();
  for (const { hostname, uuid } of servers) sharing.set(hostname, [...(sharing.get(hostname) ?? []), uuid]);
  return sharing;
}

function topicsOf({ hostname, uuid }: Fellow, cluster: ClusterName, duplicates: ReadonlySet<Hostname>): string[] {
  const byUuid = uuidTopic(cluster, uuid);
  return duplicates.has(hostname) ? [byUuid] : [hostnameTopic(cluster, hostname), byUuid];
}

function changesOf(
  before: ReadonlyMap<FellowId, Connection>,
  after: ReadonlyMap<FellowId, Connection>,
): readonly MembershipEffect[] {
  const isSame = (uuid: FellowId): boolean => {
    const [was, is] = [before.get(uuid)?.fellow.address, after.get(uuid)?.fellow.address];
    return was !== undefined && is !== undefined && formatAddress(was) === formatAddress(is);
  };
  const gone = [...before.keys()].filter((uuid) => !isSame(uuid));
  const disconnects = gone.map((uuid) => ({ type: "disconnect", uuid }) as const);
  const others = [...after].flatMap(([uuid, { fellow, filters }]): MembershipEffect[] => {
    if (!isSame(uuid)) return [{ type: "connect", fellow, filters, qos: 2 }];
    const had = before.get(uuid)?.filters ?? [];
    return [
      ...filters
        .filter((one) => !had.includes(one))
        .map((filter) => ({ type: "subscribe", uuid, filter, qos: 2 }) as const),
      ...had.filter((one) => !filters.includes(one)).map((filter) => ({ type: "unsubscribe", uuid, filter }) as const),
    ];
  });
  return [...disconnects, ...others];
}

function warningsOf(
  before: ReadonlySet<Hostname>,
  after: ReadonlySet<Hostname>,
  sharing: ReadonlyMap<Hostname, readonly FellowId[]>,
): readonly MembershipEffect[] {
  const found = [...after].filter((hostname) => !before.has(hostname));
  const gone = [...before].filter((hostname) => !after.has(hostname));
  return [
    ...found.map((hostname): MembershipEffect => {
      return { type: "warn-duplicate", hostname, uuids: (sharing.get(hostname) ?? []).toSorted() };
    }),
    ...gone.map((hostname) => ({ type: "duplicate-gone", hostname }) as const),
  ];
}
