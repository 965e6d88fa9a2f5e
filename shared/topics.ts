// The topic trees of a node. Prefixes stand here once.

export const presenceTopic = (child: string): string => `/level/presence/${child}`;
export const uplinkTopic = "/level/uplink";
export const journalTopic = "/level/journal";

/** Kinds of frames on a link: hello and heartbeat, batch, acknowledgement, will. */
export type FrameKind = "h" | "b" | "a" | "w";

/** Where child `child` sends to its parent. */
export const upTopic = (child: string, kind: FrameKind): string => `$fog/up/${child}/${kind}`;
/** Where a parent sends to its child. */
export const downTopic = (child: string, kind: FrameKind): string => `$fog/dn/${child}/${kind}`;
/** What a parent takes in from all children. */
export const upFilter = "$fog/up/+/+";
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
