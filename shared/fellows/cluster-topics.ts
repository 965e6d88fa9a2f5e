// The two topics of each server of a cluster [U30], and whether topic trees are apart [U-T12]. Topics are used as they are written: the
// leading slash is an empty first level, and `/a` is another tree than `a` [U-T11].
import type { ClusterName, FellowId, Hostname } from "./fellow-names.ts";

/** "default-to-use" and the fallback. */
export type PathKind = "hostname" | "uuid";

export const clusterPrefix = (cluster: ClusterName): string => `/${cluster}`;
export const hostnameTopic = (cluster: ClusterName, hostname: Hostname): string => `/${cluster}/${hostname}`;
export const uuidTopic = (cluster: ClusterName, uuid: FellowId): string => `/${cluster}/${uuid}`;

export interface TopicTree {
  /** What to call it in front of a user, such as the key that sets it. */
  readonly name: string;
  /** The levels that all its topics begin with; no trailing slash. */
  readonly prefix: string;
}

/** The first two trees of which one has the other within it, or that are one: undefined when all are apart. */
export function clashOf(trees: readonly TopicTree[]): readonly [TopicTree, TopicTree] | undefined {
  for (const [at, tree] of trees.entries()) {
    const other = trees
      .slice(at + 1)
      .find(({ prefix }) => contains(prefix, tree.prefix) || contains(tree.prefix, prefix));
    if (other !== undefined) return [tree, other];
  }
  return undefined;
}

function contains(outer: string, inner: string): boolean {
  return inner === outer || inner.startsWith(`${outer}/`);
}
