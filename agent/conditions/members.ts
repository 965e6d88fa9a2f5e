// A child's report as the nodes that a condition may be evaluated for.
import type { Member } from "#shared/condition/summary.ts";
import type { Descendant, NodePlace } from "#shared/link/descendant.ts";

/** What a child has said of itself and of what is below it. */
export interface ChildReport {
  readonly name: string;
  readonly place: NodePlace;
  readonly descendants: readonly Descendant[];
}

/** The child first. `depth`: its levels below the root. That of a node whose parent is not named before it is not known. */
export function membersOf({ name, place, descendants }: ChildReport, depth: number | undefined): readonly Member[] {
  const depthByName = new Map([[name, depth]]);
  const below = descendants.map((node): Member => {
    const parentDepth = depthByName.get(node.parent);
    const own = parentDepth === undefined ? undefined : parentDepth + 1;
    depthByName.set(node.name, own);
    return memberOf(node.name, node, own);
  });
  return [memberOf(name, place, depth), ...below];
}

function memberOf(name: string, { level, zone, tags, site }: NodePlace, depth: number | undefined): Member {
  return { name, level, zone, tags, depth, site };
}
