// Who is there: the children of this node and its own link upward, as the node keeps them for its clients.
import { presenceTopic, uplinkTopic } from "../shared/topics.ts";
import { decodeBody, fieldsOf } from "./body.ts";
import type { Message, Session, Subscription } from "./session.ts";

export type PresenceEvent =
  | {
      readonly type: "child";
      readonly node: string;
      /** `forgotten`: the node knows it no more. */
      readonly state: "online" | "lost" | "left" | "forgotten";
      /** ISO 8601. */
      readonly since?: string;
      readonly level?: string;
    }
  | {
      readonly type: "uplink";
      /** `none`: this node is the root. */
      readonly state: "none" | "up" | "down";
      readonly since: string;
      /** Why it is down. */
      readonly reason?: string;
      /** The nodes from the parent to the root, and how each is linked upward. */
      readonly path: readonly {
        readonly node: string;
        readonly level: string;
        readonly uplink: string;
        readonly since: string;
      }[];
    };

export type PresenceHandler = (event: PresenceEvent) => void | Promise<void>;

const wait = { timeoutMs: 10_000 };

/** Resolves when changes come; the handler hears first how things stand. */
export async function onPresence(session: Session, handler: PresenceHandler): Promise<Subscription> {
  const hear = async (message: Message): Promise<void> => {
    const event = eventOf(message);
    if (event !== undefined) await handler(event);
  };
  const subscriptions = [
    await session.subscribe(uplinkTopic, 1, hear, wait),
    await session.subscribe(presenceTopic("+"), 1, hear, wait),
  ];
  const unsubscribe = async (): Promise<void> => {
    for (const subscription of subscriptions) await subscription.unsubscribe();
  };
  return { unsubscribe, [Symbol.asyncDispose]: unsubscribe };
}

function eventOf({ topic, payload }: Message): PresenceEvent | undefined {
  if (topic !== uplinkTopic && payload.length === 0)
    return { type: "child", node: topic.split("/").at(-1) ?? "", state: "forgotten" };
  const fields = fieldsOf(decodeBody(payload));
  if (typeof fields?.["state"] !== "string") return undefined;
  return { ...fields, type: topic === uplinkTopic ? "uplink" : "child" } as unknown as PresenceEvent;
}
