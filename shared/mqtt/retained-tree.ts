// Retained messages by topic, found by filter level by level: a wildcard subscription costs what it matches, not what is kept.
import { hidesFromWildcards } from "./topic.ts";

interface TreeNode<V> {
  readonly children: Map<string, TreeNode<V>>;
  value: V | undefined;
}

export class RetainedTree<V> {
  readonly #root: TreeNode<V> = emptyNode();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(topic: string): V | undefined {
    let node: TreeNode<V> | undefined = this.#root;
    for (const level of topic.split("/")) {
      node = node.children.get(level);
      if (node === undefined) return undefined;
    }
    return node.value;
  }

  /** Answers what was there before. */
  set(topic: string, value: V): V | undefined {
    let node = this.#root;
    for (const level of topic.split("/")) {
      let next = node.children.get(level);
      if (next === undefined) {
        next = emptyNode();
        node.children.set(level, next);
      }
      node = next;
    }
    const before = node.value;
    if (before === undefined) this.#size++;
    node.value = value;
    return before;
  }

  /** Answers what was there. */
  delete(topic: string): V | undefined {
    const removed = removeFrom(this.#root, topic.split("/"), 0);
    if (removed !== undefined) this.#size--;
    return removed;
  }

  /** Every value whose topic the legal `filter` matches. */
  *matching(filter: string): Generator<V, void, void> {
    yield* collect(this.#root, filter.split("/"), 0);
  }
}

function emptyNode<V>(): TreeNode<V> {
  return { children: new Map(), value: undefined };
}

function* collect<V>(node: TreeNode<V>, levels: readonly string[], at: number): Generator<V, void, void> {
  const level = levels[at];
  if (level === undefined) {
    if (node.value !== undefined) yield node.value;
  } else if (level === "#") {
    yield* all(node, at === 0);
  } else if (level === "+") {
    for (const [name, child] of node.children) {
      if (at === 0 && hidesFromWildcards(name)) continue; // [MQTT-4.7.2-1]
      yield* collect(child, levels, at + 1);
    }
  } else {
    const child = node.children.get(level);
    if (child !== undefined) yield* collect(child, levels, at + 1);
  }
}

/** The node's own value too: "a/#" matches "a". */
function* all<V>(node: TreeNode<V>, isRoot: boolean): Generator<V, void, void> {
  if (node.value !== undefined) yield node.value;
  for (const [name, child] of node.children) {
    if (isRoot && hidesFromWildcards(name)) continue;
    yield* all(child, false);
  }
}

function removeFrom<V>(node: TreeNode<V>, levels: readonly string[], at: number): V | undefined {
  const level = levels[at];
  if (level === undefined) {
    const { value } = node;
    node.value = undefined;
    return value;
  }
  const child = node.children.get(level);
  if (child === undefined) return undefined;
  const removed = removeFrom(child, levels, at + 1);
  if (child.value === undefined && child.children.size === 0) node.children.delete(level);
  return removed;
}
