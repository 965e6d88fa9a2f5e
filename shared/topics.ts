// The topic trees of a node. Prefixes stand here once.

export const presenceTopic = (child: string): string => `/level/presence/${child}`;
export const uplinkTopic = "/level/uplink";
export const networkTopic = "/level/network";
export const nodeTopic = "/level/node";
export const journalTopic = "/level/journal";
/** How many messages the full queue of a session has lost. The client identifier may hold what a topic level may not. */
export const lossTopic = (clientId: string): string => `/level/losses/${encodeURIComponent(clientId)}`;

/** Telemetry and any other data of applications. */
export const dataPrefix = "/data/";

const stateTrees = ["presence", "uplink", "network", "node", "journal", "losses"].map((name) => `/level/${name}`);

/** Whether only the node itself speaks there, of what is so in its present life. */
export function isNodeState(topic: string): boolean {
  return (
    topic.startsWith("/level/") &&
    stateTrees.some((tree) => topic.startsWith(tree) && (topic.length === tree.length || topic[tree.length] === "/"))
  );
}

/** Functions that travel down the tree, and where the answers to a call go. */
export const functionFilter = "/machine/functions/+";
export const functionTopic = (name: string): string => `/machine/functions/${name}`;
export const machineReplyTopic = (call: string): string => `/machine/replies/${call}`;
/** Where the results of single nodes may be told, for a caller who draws the id itself. */
export const machineResultsTopic = (call: string): string => `${machineReplyTopic(call)}/results`;
/** Where a caller calls its call off. */
export const machineCancelFilter = "/machine/calls/+/cancel";
export const machineCancelTopic = (call: string): string => `/machine/calls/${call}/cancel`;
export const callOfCancelTopic = (topic: string): string => topic.split("/")[3] ?? "";
/** Events that travel through the machine; heard on the same topics. */
export const eventFilterOf = (kind: "internal" | "external"): string => `/machine/events/${kind}/+`;
export const eventTopic = (kind: string, name: string): string => `/machine/events/${kind}/${name}`;
/** Where a local program answers what it was asked. */
export const machineResultPrefix = "/machine/results/";

/** Functions of this level only, and the answers to their callers. */
export const levelFunctionPrefix = "/level/functions/";
export const levelFunctionFilter = "/level/functions/+";
/** Functions of several levels: of this node and of those above it. */
export const levelCallPrefix = "/level/calls/";
export const levelCallFilter = "/level/calls/+";
export const levelReplyTopic = (caller: string, call: string): string => `/level/replies/${caller}/${call}`;
export const levelResultPrefix = "/level/results/";

/** Where the program that runs a function hears that nobody waits for its answer any more. `answer`: the topic that it was given. */
export const cancelTopicOf = (answer: string): string => `${answer}/cancel`;

/** Retained by the programs that offer a function: JSON Schema of its arguments. */
export const schemaPrefix = "/level/schemas/";
export const schemaFilter = "/level/schemas/+";
export const schemaTopic = (name: string): string => `${schemaPrefix}${name}`;

/** Kinds of frames on a link: hello and heartbeat, batch, acknowledgement, will, call, receipt, level call. */
export type FrameKind = "h" | "b" | "a" | "w" | "c" | "r" | "x";

/** Where child `child` sends to its parent. */
export const upTopic = (child: string, kind: string): string => `$fog/up/${child}/${kind}`;
/** Where a parent sends to its child. */
export const downTopic = (child: string, kind: FrameKind): string => `$fog/dn/${child}/${kind}`;
/** What a parent takes in of one kind from all children. */
export const upFilterOf = (kind: FrameKind): string => `$fog/up/+/${kind}`;
/** What a child reads of its parent. */
export const downFilter = (child: string): string => `$fog/dn/${child}/+`;

/** Child and kind of a topic below `$fog/up/`, or undefined. */
export function parseUpTopic(topic: string): { readonly child: string; readonly kind: string } | undefined {
  const parts = topic.split("/");
  const [root, direction, child, kind] = parts;
  if (parts.length !== 4 || root !== "$fog" || direction !== "up" || child === undefined || kind === undefined)
    return undefined;
  return { child, kind };
}

/** The topic as every ancestor of `origin` publishes it: `/from/<origin>` and the original, a missing leading slash added. */
export function fromTopic(origin: string, topic: string): string {
  return topic.startsWith("/") ? `/from/${origin}${topic}` : `/from/${origin}/${topic}`;
}

/** MQTT client identifiers of a child's two connections. */
export const controlClientId = (child: string): string => child;
export const bulkClientId = (child: string): string => `${child}!b`;
/** The child that a client identifier of either kind belongs to. */
export const nodeOfClientId = (clientId: string): string =>
  clientId.endsWith("!b") ? clientId.slice(0, -2) : clientId;
