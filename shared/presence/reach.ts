// How far up a node can reach, as far as it knows: which hops of its path to the root are there, and where the path is broken.
// Only the first broken link is a fact; what lies behind it stands as it was last told.
import type { Level } from "../ids.ts";
import type { PathHop } from "../link/hello.ts";

export interface ReachedHop {
  readonly name: string;
  readonly level: Level;
  readonly isReachable: boolean;
  /** Milliseconds since 1970: since when it is out of reach; undefined while it is not. */
  readonly unreachableSinceMs: number | undefined;
}

export interface Reach {
  /** Nearest first. */
  readonly hops: readonly ReachedHop[];
  /** The node whose link upward is the first one that is down; undefined: the root can be reached. */
  readonly broken: { readonly at: string; readonly sinceMs: number } | undefined;
}

type Link = Pick<PathHop, "uplink" | "sinceMs"> & { readonly name: string };

/** `own` is this node with its uplink; `path` what is above it, nearest first. */
export function reachOf(own: Link, path: readonly (Link & Pick<PathHop, "level">)[]): Reach {
  const chain = [own, ...path];
  const first = chain.findIndex(({ uplink }) => uplink === "down");
  const link = chain[first];
  const hops = path.map(({ name, level }, index) => {
    const isReachable = first === -1 || index < first;
    return { name, level, isReachable, unreachableSinceMs: isReachable ? undefined : link?.sinceMs };
  });
  return { hops, broken: link === undefined ? undefined : { at: link.name, sinceMs: link.sinceMs } };
}

/** For people, the far end first: "cloud-1 unreachable since …, fog-1 ok". Empty at a root. */
export function reachText({ hops }: Reach, since: (ms: number) => string): string {
  return hops
    .map(({ name, unreachableSinceMs }) =>
      unreachableSinceMs === undefined ? `${name} ok` : `${name} unreachable since ${since(unreachableSinceMs)}`,
    )
    .toReversed()
    .join(", ");
}
