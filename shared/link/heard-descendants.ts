// What a parent has heard in this session of the nodes below a child, as a value: the list in portions, then what changes in it.
import { limits } from "../limits.ts";
import type { Descendant } from "./descendant.ts";
import type { DescendantNews, Missing } from "./descendant-news.ts";

export interface HeardDescendants {
  readonly byNumber: ReadonlyMap<number, Descendant>;
  readonly missing: Missing | undefined;
  /** Until the new list is whole, that of the session before counts. */
  readonly keepsFormer: boolean;
}

/** Twice what a child names: what is new may come before it is told what has gone. Beyond that it is ignored. */
const entriesMax = 2 * limits.descendants;

/** The list of a Hello, or of a heartbeat that says all at once: its places are the numbers. */
export function heardList(
  descendants: readonly Descendant[],
  missing: Missing | undefined,
  hasFormer: boolean,
): HeardDescendants {
  const byNumber = new Map(descendants.map((node, number) => [number, node]));
  return { byNumber, missing, keepsFormer: missing === "list" && hasFormer };
}

export function withNews(heard: HeardDescendants | undefined, news: DescendantNews): HeardDescendants {
  const byNumber = new Map(heard?.byNumber);
  for (const [number, node] of news.told)
    if (byNumber.has(number) || byNumber.size < entriesMax) byNumber.set(number, node);
  for (const number of news.gone) byNumber.delete(number);
  const { missing } = news;
  return { byNumber, missing, keepsFormer: missing === "list" && heard?.keepsFormer === true };
}

/** Parents before those below them, as far as the child tells it so. */
export function listOf({ byNumber }: HeardDescendants): readonly Descendant[] {
  return [...byNumber].toSorted(([a], [b]) => a - b).map(([, node]) => node);
}
