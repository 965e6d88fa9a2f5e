// Retained messages by topic, found by filter level by level: a wildcard subscription costs what it matches, not what is kept.
import { hidesFromWildcards } from "./topic.ts";

interface TreeNode<V> {
  readonly children: Map<string, TreeNode<V>>;
  value: V | undefined;
}

export class RetainedTree<V> {
  readonly #root: TreeNode<V> = emptyNode();
  #size = 0;
  #nodes = 0;

  get size(): number {
    return this.#size;
  }

  /** Levels that are kept, those that topics have in common once. */
  get nodes(): number {
    return this.#nodes;
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
        this.#nodes++;
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
    const levels = topic.split("/");
    const value = this.get(topic);
    if (value === undefined) return undefined;
    this.#size--;
    this.#nodes -= removeFrom(this.#root, levels, 0);
    return value;
  }

  /** Every value whose topic the legal `filter` matches; undefined after every few thousand steps, so that a long walk can be spread. */
  *matching(filter: string): Generator<V | undefined, void, void> {
    yield* collect(this.#root, filter.split("/"), 0, { left: stepsPerRest });
  }
}

function emptyNode<V>(): TreeNode<V> {
  return { children: new Map(), value: undefined };
}

const stepsPerRest = 4_096;

/** Steps until the next rest. */
interface Pace {
  left: number;
}

function* collect<V>(
  node: TreeNode<V>,
  levels: readonly string[],
  at: number,
  pace: Pace,
): Generator<V | undefined, void, void> {
  if (--pace.left === 0) {
    pace.left = stepsPerRest;
    yield undefined;
  }
  const level = levels[at];
  if (level === undefined) {
    if (node.value !== undefined) yield node.value;
  } else if (level === "#") {
    yield* all(node, at === 0, pace);
  } else if (level === "+") {
    for (const [name, child] of node.children) {
      if (at === 0 && hidesFromWildcards(name)) continue; // [MQTT-4.7.2-1]
      yield* collect(child, levels, at + 1, pace);
    }
  } else {
    const child = node.children.get(level);
    if (child !== undefined) yield* collect(child, levels, at + 1, pace);
  }
}

/** The node's own value too: "a/#" matches "a". */
function* all<V>(node: TreeNode<V>, isRoot: boolean, pace: Pace): Generator<V | undefined, void, void> {
  if (--pace.left === 0) {
    pace.left = stepsPerRest;
    yield undefined;
  }
  if (node.value !== undefined) yield node.value;
  for (const [name, child] of node.children) {
    if (isRoot && hidesFromWildcards(name)) continue;
    yield* all(child, false, pace);
  }
}

/** Removes the value, which is there, and every node that it leaves empty; answers how many. */
function removeFrom<V>(node: TreeNode<V>, levels: readonly string[], at: number): number {
  const level = levels[at];
  if (level === undefined) {
    node.value = undefined;
    return 0;
  }
  const child = node.children.get(level);
  if (child === undefined) return 0;
  const removed = removeFrom(child, levels, at + 1);
  if (child.value !== undefined || child.children.size > 0) return removed;
  node.children.delete(level);
  return removed + 1;
}
