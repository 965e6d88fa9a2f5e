// Topic filters with values, matched against topic names level by level: the cost follows the topic, not the number of filters.
import { hidesFromWildcards } from "./topic.ts";

interface TreeNode<V> {
  /** Next level by its text; the wildcard `+` is a key like any other, since no topic name holds it. */
  readonly children: Map<string, TreeNode<V>>;
  /** Values of filters that end here. */
  readonly values: Set<V>;
  /** Values of filters that end in `#` below here. */
  readonly below: Set<V>;
}

/** A set of (filter, value) pairs. Filters and topics must be legal; adding a pair twice keeps it once. */
export class TopicTree<V> {
  readonly #root: TreeNode<V> = emptyNode();
  #size = 0;
  #nodes = 0;

  /** Levels of all filters, those that filters share counted once: what the tree costs. */
  get nodes(): number {
    return this.#nodes;
  }

  /** Number of pairs. */
  get size(): number {
    return this.#size;
  }

  /** Answers whether the pair was new. */
  add(filter: string, value: V): boolean {
    let node = this.#root;
    for (const level of filter.split("/")) {
      if (level === "#") return this.#put(node.below, value);
      let next = node.children.get(level);
      if (next === undefined) {
        next = emptyNode();
        node.children.set(level, next);
        this.#nodes++;
      }
      node = next;
    }
    return this.#put(node.values, value);
  }

  /** Answers whether the pair was there. */
  remove(filter: string, value: V): boolean {
    const levels = filter.split("/");
    const removed = removeFrom(this.#root, levels, 0, value, () => this.#nodes--);
    if (removed) this.#size--;
    return removed;
  }

  /** Every value whose filter matches `topic`, once per matching filter. */
  *match(topic: string): Generator<V, void, void> {
    const found: Set<V>[] = [];
    collect(this.#root, topic.split("/"), 0, hidesFromWildcards(topic), found);
    for (const values of found) yield* values;
  }

  /** Whether any filter matches `topic`. */
  hasMatch(topic: string): boolean {
    return reaches(this.#root, topic.split("/"), 0, hidesFromWildcards(topic));
  }

  /** Values of the filter that is `topic` itself: those with wildcards that match it are not among them. */
  exactly(topic: string): ReadonlySet<V> {
    let node: TreeNode<V> | undefined = this.#root;
    for (const level of topic.split("/")) {
      node = node.children.get(level);
      if (node === undefined) return new Set();
    }
    return node.values;
  }

  /** Whether any filter matches some topic that starts with `prefix` and a slash. `prefix` has no wildcards. */
  hasMatchBelow(prefix: string): boolean {
    return reachesBelow(this.#root, prefix.split("/"), 0, hidesFromWildcards(prefix));
  }

  #put(values: Set<V>, value: V): boolean {
    if (values.has(value)) return false;
    values.add(value);
    this.#size++;
    return true;
  }
}

function emptyNode<V>(): TreeNode<V> {
  return { children: new Map(), values: new Set(), below: new Set() };
}

/** `hidden`: wildcards at the first level do not match [MQTT-4.7.2-1]. */
function collect<V>(node: TreeNode<V>, levels: readonly string[], at: number, hidden: boolean, found: Set<V>[]): void {
  if (node.below.size > 0 && !hidden) found.push(node.below);
  const level = levels[at];
  if (level === undefined) {
    if (node.values.size > 0) found.push(node.values);
    return;
  }
  const exact = node.children.get(level);
  if (exact !== undefined) collect(exact, levels, at + 1, false, found);
  const any = hidden ? undefined : node.children.get("+");
  if (any !== undefined) collect(any, levels, at + 1, false, found);
}

function reaches<V>(node: TreeNode<V>, levels: readonly string[], at: number, hidden: boolean): boolean {
  if (node.below.size > 0 && !hidden) return true;
  const level = levels[at];
  if (level === undefined) return node.values.size > 0;
  const exact = node.children.get(level);
  if (exact !== undefined && reaches(exact, levels, at + 1, false)) return true;
  const any = hidden ? undefined : node.children.get("+");
  return any !== undefined && reaches(any, levels, at + 1, false);
}

/** As `reaches`, with at least one more level. Nodes without anything below them do not exist. */
function reachesBelow<V>(node: TreeNode<V>, levels: readonly string[], at: number, hidden: boolean): boolean {
  if (node.below.size > 0 && !hidden) return true;
  const level = levels[at];
  if (level === undefined) return node.children.size > 0;
  const exact = node.children.get(level);
  if (exact !== undefined && reachesBelow(exact, levels, at + 1, false)) return true;
  const any = hidden ? undefined : node.children.get("+");
  return any !== undefined && reachesBelow(any, levels, at + 1, false);
}

/** Removes the pair and every node that it leaves empty. */
function removeFrom<V>(
  node: TreeNode<V>,
  levels: readonly string[],
  at: number,
  value: V,
  onNodeGone: () => void,
): boolean {
  const level = levels[at];
  if (level === undefined) return node.values.delete(value);
  if (level === "#") return node.below.delete(value);
  const child = node.children.get(level);
  if (child === undefined || !removeFrom(child, levels, at + 1, value, onNodeGone)) return false;
  if (child.values.size === 0 && child.below.size === 0 && child.children.size === 0) {
    node.children.delete(level);
    onNodeGone();
  }
  return true;
}
