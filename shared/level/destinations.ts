// Which nodes a call at several levels is for: this one and those above it, as the path to the root names them.
import { type Level, levels, type NodeName } from "../ids.ts";
import type { PathHop } from "../link/hello.ts";

/** One node that is to be asked, or a word of the caller that is no node on the path. */
export interface Destination {
  readonly level: Level | undefined;
  readonly node: NodeName | undefined;
  /** `here`: this node itself; `above`: over the link; or why nobody can be asked. */
  readonly reach: "here" | "above" | { readonly unreachable: string };
}

/** `listed`: as the caller named them; within one level the nearest first. */
export type Order = "nearest" | "listed";

/**
 * In the order in which they are asked, each node once. `wanted`: levels and names of nodes; undefined: every node of the path.
 * `path`: this node first, the root last, as far as it is known. `timeText`: how people
 * read a time in milliseconds since 1970.
 */
export function destinationsOf(
  wanted: readonly string[] | undefined,
  order: Order,
  path: readonly PathHop[],
  timeText: (ms: number) => string,
): readonly Destination[] {
  const cutText = (hop: PathHop): string => `${hop.name} has had no link to its parent since ${timeText(hop.sinceMs)}`;
  const byHop = path.map((hop, at) => destinationAt(path, hop, at, cutText));
  if (wanted === undefined) return byHop;
  const found = new Set<Destination>();
  const missing: Destination[] = [];
  const listed: Destination[] = [];
  for (const word of new Set(wanted)) {
    const isLevel = levels.some((level) => level === word);
    const matching = byHop.filter(({ level, node }) => (isLevel ? level === word : node === word));
    for (const one of matching) {
      if (!found.has(one)) listed.push(one);
      found.add(one);
    }
    if (matching.length > 0) continue;
    const absent = absentOf(word, isLevel, path, cutText);
    listed.push(absent);
    missing.push(absent);
  }
  return order === "listed" ? listed : [...byHop.filter((one) => found.has(one)), ...missing];
}

type CutText = (hop: PathHop) => string;

function destinationAt(path: readonly PathHop[], { level, name }: PathHop, at: number, cutText: CutText): Destination {
  if (at === 0) return { level, node: name, reach: "here" };
  const cut = path.slice(0, at).find(({ uplink }) => uplink !== "up");
  return { level, node: name, reach: cut === undefined ? "above" : { unreachable: cutText(cut) } };
}

function absentOf(word: string, isLevel: boolean, path: readonly PathHop[], cutText: CutText): Destination {
  const what = isLevel ? `level ${word}` : `node "${word}"`;
  const top = path.at(-1);
  const isWhole = top?.uplink === "root";
  const unreachable = isWhole
    ? `there is no ${what} on the path from ${path[0]?.name} to the root`
    : `no ${what} is known on the path from ${path[0]?.name} upward: ${top === undefined ? "it is not known" : cutText(top)}`;
  return isLevel
    ? { level: word as Level, node: undefined, reach: { unreachable } }
    : { level: undefined, node: word as NodeName, reach: { unreachable } };
}
