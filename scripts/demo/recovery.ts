// Notices that a disturbance is over: every node runs again, and everything that had waited until then has arrived.
//
//   calm --a node is down--> disturbed --all up--> draining --each device clear once--> calm, "arrived"
//                                ^--a node is down--+
import type { DemoTree } from "./demo-tree.ts";
import { isClear, type TreeSample } from "./observe.ts";

export type Recovery =
  | { readonly at: "calm" }
  | { readonly at: "disturbed" }
  /** `left`: devices of which something that was published before `sinceMs` may still be on its way. */
  | { readonly at: "draining"; readonly sinceMs: number; readonly left: readonly string[] };

/** The state after a sample. From "draining" to "calm": all that had been published when the draining began has arrived. */
export function stepRecovery(state: Recovery, sample: TreeSample): Recovery {
  const isAllUp = [sample.cloud, sample.fog, ...sample.devices].every(({ process }) => process.at === "up");
  switch (state.at) {
    case "calm":
      return isAllUp ? state : { at: "disturbed" };
    case "disturbed":
      return isAllUp ? { at: "draining", sinceMs: sample.atMs, left: sample.devices.map(({ name }) => name) } : state;
    case "draining": {
      if (!isAllUp) return { at: "disturbed" };
      const clear = new Set(sample.devices.filter(isClear).map(({ name }) => name));
      const left = state.left.filter((name) => !clear.has(name));
      return left.length === 0 ? { at: "calm" } : { ...state, left };
    }
  }
}

/** The nodes that are down, from the root downward. */
export function nodesDown(tree: DemoTree): DemoTree["nodes"] {
  return tree.nodes.filter((node) => node.state().at === "down");
}
