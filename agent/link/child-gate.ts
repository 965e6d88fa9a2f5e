// Keeps a second node of one name out while the first is connected: before its connection takes over, since two that push each
// other out would never stop.
import type { Logger } from "#shared/system/logger.ts";
import { nodeOfClientId } from "#shared/topics.ts";
import type { TreeView } from "./tree-view.ts";

const namesLogged = 1_000;

/** Answers true, or why the client with that id may not connect. A node gives its uuid as user name. */
export function createChildGate(
  tree: Pick<TreeView, "child">,
  log: Logger,
): (clientId: string, username: string | undefined) => true | string {
  const logged = new Set<string>();
  return (clientId, username) => {
    const name = nodeOfClientId(clientId);
    const child = tree.child(name);
    if (child?.state !== "online" || child.uuid === username) return true;
    const stranger = `${name} ${username ?? ""}`;
    if (!logged.has(stranger) && logged.size < namesLogged) {
      logged.add(stranger);
      log.error(
        { child: name, uuid: child.uuid, refused: username },
        "a second node of one name was kept out: give it a name of its own",
      );
    }
    return `the node "${name}" is connected already, and this is another one`;
  };
}
