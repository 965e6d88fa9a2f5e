// What is wrong with a hello by itself, and with the place in the tree that it would take.
import { protocolVersion, type Hello, type Refusal } from "#shared/link/hello.ts";
import { limits } from "#shared/limits.ts";
import type { TreeView } from "./tree-view.ts";

/** Why the node `self` does not take `child`, a name that the broker has authorized, as its child; undefined: nothing speaks against it. */
export function unfitHello(tree: TreeView, self: string, child: string, hello: Hello): Refusal | undefined {
  const retryAfterMs = limits.refusedBackoffMs;
  if (hello.version !== protocolVersion) {
    const text = `this node speaks link protocol ${protocolVersion}, the child ${hello.version}`;
    return { code: "version", retryAfterMs, text };
  }
  if (hello.name !== child) {
    return { code: "name-taken", retryAfterMs, text: `the hello of "${child}" gives the name "${hello.name}"` };
  }
  const ring = "names must be unique in a tree, and links must not form a ring";
  if (tree.child(child) === undefined && tree.knownChildren() >= limits.childrenKnown) {
    const text = `this node has had ${limits.childrenKnown} children, and remembers no more`;
    return { code: "busy", retryAfterMs, text };
  }
  if (child === self) return { code: "loop", retryAfterMs, text: `"${child}" is this node: ${ring}` };
  if (tree.path().some((hop) => hop.name === child)) {
    // The tree may have been rearranged, and the news of it be on its way.
    const text = `"${child}" stands above this node, as far as it knows: ${ring}`;
    return { code: "busy", retryAfterMs: limits.backoffMsMaxLate, text };
  }
  return undefined;
}
