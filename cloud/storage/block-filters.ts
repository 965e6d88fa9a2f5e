// The filters that blocks are indexed by, as texts, and the index range that answers a query.
//
//   s<stream>   messages of the stream
//   p<path>     messages of exactly that path
//   b<path>     messages of that path and of those below it: `path/#`
//   *           all messages
import type { DataQuery } from "#shared/system/document-store.ts";

/** Levels of a path that have a filter of their own; deeper ones are looked for among the blocks of the last of them. */
const levelsMax = 16;

const dataPrefix = "/data/";

export const everything = "*";

export function streamFilter(stream: string): string {
  return `s${stream}`;
}

/** What `DataQuery.path` means. */
export function pathOf(topic: string): string {
  return topic.startsWith(dataPrefix) ? topic.slice(dataPrefix.length) : topic;
}

/** All filters for paths that find messages of that topic. */
export function filtersOfTopic(topic: string): readonly string[] {
  const path = pathOf(topic);
  const filters = [`p${path}`];
  let levels = 0;
  for (let at = path.indexOf("/"); at !== -1 && levels < levelsMax; at = path.indexOf("/", at + 1)) {
    filters.push(`b${path.slice(0, at)}`);
    levels++;
  }
  if (levels < levelsMax) filters.push(`b${path}`);
  return filters;
}

/** The narrowest filter that all blocks with something for the query have; undefined: every block has to be looked at. */
export function filterOfQuery({ origin, stream, path }: DataQuery): string | undefined {
  if (path === undefined || path === "#") {
    if (stream !== undefined) return streamFilter(stream);
    return origin === undefined ? undefined : everything;
  }
  if (!path.endsWith("/#")) return `p${path}`;
  const above = path.slice(0, -"/#".length).split("/");
  return `b${above.slice(0, levelsMax).join("/")}`;
}

/** Whether the query's path takes in messages of that topic. */
export function matchesPath(query: string | undefined, topic: string): boolean {
  if (query === undefined || query === "#") return true;
  const path = pathOf(topic);
  if (!query.endsWith("/#")) return path === query;
  const above = query.slice(0, -"/#".length);
  return path === above || path.startsWith(`${above}/`);
}
