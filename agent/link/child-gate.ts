// Keeps a second node of one name out while the first is connected: before its connection takes over, since two that push each
// other out would never stop.
import type { Logger } from "#shared/system/logger.ts";
import { nodeOfClientId } from "#shared/topics.ts";
import type { TreeView } from "./tree-view.ts";

const namesLogged = 1_000;

/** Whether a client may connect with that id. A node gives its uuid as user name; `isProven`: it may speak for the node of that id. */
export type ChildGate = (clientId: string, username: string | undefined, isProven: boolean) => true | ChildRefused;

export interface ChildRefused {
  readonly refused: "not-authorized";
  readonly reason: string;
}

export function createChildGate(tree: Pick<TreeView, "child">, log: Logger): ChildGate {
  const logged = new Set<string>();
  return (clientId, username, isProven) => {
    const name = nodeOfClientId(clientId);
    const child = tree.child(name);
    if (child?.state !== "online" || (isProven && child.uuid === username)) return true;
    const stranger = `${name} ${username ?? ""}`;
    if (!logged.has(stranger) && logged.size < namesLogged) {
      logged.add(stranger);
      log.error(
        { child: name, uuid: child.uuid, refused: username },
        "a second node of one name was kept out: give it a name of its own",
      );
    }
    return { refused: "not-authorized", reason: `the node "${name}" is connected already, and this is another one` };
  };
}
