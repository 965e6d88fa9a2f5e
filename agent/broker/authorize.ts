// Who may publish and subscribe where, as far as the place in the tree decides it (design: topics, link). Functions of names only.
//
//   $fog/up/<child>/…   only that child publishes; nobody subscribes (the node listens in process)
//   $fog/dn/<child>/…   only that child subscribes; nobody publishes (the node does, in process)
//   $SYS/…              read only
//   other $…            closed
//   /from/…, /machine/replies/…, /level/replies/…, /level/presence/…, /level/uplink, /level/journal    only the node itself publishes
import { isNodeName } from "#shared/ids.ts";
import { nodeOfClientId } from "#shared/topics.ts";
import type { Authorizer, ClientInfo } from "./broker.ts";

/** Lets everybody connect and applies the rules of the tree. */
export const treeAuthorizer: Authorizer = {
  connect: () => true,
  publish: (client, topic) => mayPublish(client, topic),
  subscribe: (client, filter) => maySubscribe(client, filter),
};

/** `topic` is a legal topic name. */
function mayPublish(client: ClientInfo, topic: string): boolean {
  if (topic.startsWith("$")) return isBelow(`$fog/up/${nodeOf(client)}`, topic) && isNode(client);
  return !isNodeOnly(topic);
}

/** `filter` is a legal topic filter. In `$` space every level that decides is named, so a wildcard there never reaches a neighbour. */
function maySubscribe(client: ClientInfo, filter: string): boolean {
  if (!filter.startsWith("$")) return true;
  if (filter === "$SYS" || filter.startsWith("$SYS/")) return true;
  return isBelow(`$fog/dn/${nodeOf(client)}`, filter) && isNode(client);
}

function nodeOf({ clientId }: ClientInfo): string {
  return nodeOfClientId(clientId);
}

/** Only a checked name stands in a link topic: a client id such as `a/b` or `+` proves nothing there. */
function isNode(client: ClientInfo): boolean {
  return isNodeName(nodeOf(client));
}

function isBelow(prefix: string, topic: string): boolean {
  return topic.length > prefix.length + 1 && topic.startsWith(prefix) && topic[prefix.length] === "/";
}

function isNodeOnly(topic: string): boolean {
  return (
    isAtOrBelow("/from", topic) ||
    isAtOrBelow("/machine/replies", topic) ||
    isAtOrBelow("/level/replies", topic) ||
    isAtOrBelow("/level/presence", topic) ||
    isAtOrBelow("/level/uplink", topic) ||
    isAtOrBelow("/level/journal", topic)
  );
}

function isAtOrBelow(prefix: string, topic: string): boolean {
  return topic === prefix || isBelow(prefix, topic) || topic === `${prefix}/`;
}
