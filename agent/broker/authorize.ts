// Who may publish and subscribe where, as far as the place in the tree decides it (design: topics, link). Functions of names only.
//
//   $fog/up/<child>/…   only that child publishes; nobody subscribes (the node listens in process)
//   $fog/dn/<child>/…   only that child subscribes; nobody publishes (the node does, in process)
//   $SYS/…              read only
//   other $…            closed
//   /from/…, /machine/replies/…, /level/replies/…, /level/presence/…, /level/uplink and other state of the node    only the node itself publishes
import { isNodeName } from "#shared/ids.ts";
import { isNodeState, nodeOfClientId } from "#shared/topics.ts";
import type { ClientRights } from "#shared/system/bus.ts";
import type { Authorizer, ClientInfo } from "./broker.ts";

const everybody = {};

/** Lets everybody connect, believes every client id, and applies the rules of the tree. */
export const treeAuthorizer: Authorizer = {
  connect: () => true,
  publish: (client, topic) => mayPublishInTree(topic, claimedNode(client)),
  subscribe: (client, filter) => maySubscribeInTree(filter, claimedNode(client)),
  roleOf: () => everybody,
  userOf: () => "",
};

/** What `authorizer` lets that client do: whoever does something on its behalf asks. */
export function rightsOf(authorizer: Authorizer, client: ClientInfo): ClientRights {
  return { user: authorizer.userOf(client), mayPublish: (topic) => authorizer.publish(client, topic) };
}

/** `topic` is a legal topic name; `node` the checked name of the node that the client speaks for, if it does for any. */
export function mayPublishInTree(topic: string, node: string | undefined): boolean {
  if (topic.startsWith("$")) return node !== undefined && isBelow(`$fog/up/${node}`, topic);
  return !isNodeOnly(topic);
}

/** `filter` is a legal topic filter. In `$` space every level that decides is named, so a wildcard there never reaches a neighbour. */
export function maySubscribeInTree(filter: string, node: string | undefined): boolean {
  if (!filter.startsWith("$")) return true;
  if (filter === "$SYS" || filter.startsWith("$SYS/")) return true;
  return node !== undefined && isBelow(`$fog/dn/${node}`, filter);
}

/** Only a checked name stands in a link topic: a client id such as `a/b` or `+` proves nothing there. */
function claimedNode({ clientId }: ClientInfo): string | undefined {
  const name = nodeOfClientId(clientId);
  return isNodeName(name) ? name : undefined;
}

function isBelow(prefix: string, topic: string): boolean {
  return topic.length > prefix.length + 1 && topic.startsWith(prefix) && topic[prefix.length] === "/";
}

function isNodeOnly(topic: string): boolean {
  return (
    isAtOrBelow("/from", topic) ||
    isAtOrBelow("/machine/replies", topic) ||
    isAtOrBelow("/level/replies", topic) ||
    isNodeState(topic)
  );
}

function isAtOrBelow(prefix: string, topic: string): boolean {
  return topic === prefix || isBelow(prefix, topic) || topic === `${prefix}/`;
}
