// Answers to local callers.
import type { Encoding } from "#shared/machine/envelope.ts";
import type { PlainValue } from "#shared/machine/plain-value.ts";
import { encodeReply } from "#shared/machine/request.ts";
import { replyProperties } from "#shared/machine/request-properties.ts";
import type { Bus, InboundPublish } from "#shared/system/bus.ts";
import type { Logger } from "#shared/system/logger.ts";
import { levelReplyTopic } from "#shared/topics.ts";
import { publisherOf } from "../auth/publisher.ts";

/** Where a caller hears, and what it wants back with every answer. */
export interface ReplyTo {
  readonly topic: string;
  readonly correlation: Uint8Array | undefined;
  readonly encoding: Encoding;
}

/** Publishes one; `what` stands in the log when that fails. */
export type SendReply = (to: ReplyTo, value: PlainValue) => void;

export function createReplies({ bus, log }: { readonly bus: Pick<Bus, "publish">; readonly log: Logger }): SendReply {
  return ({ topic, correlation, encoding }, value) => {
    const payload = encodeReply(value, encoding);
    bus.publish({ topic, payload, qos: 1, retain: false, ...replyProperties(correlation) }).catch((error: unknown) => {
      log.warn({ topic, error: String(error) }, "answer of a level function not published");
    });
  };
}

/** Where a caller is answered. `closed`: it asked for a topic on which it may not publish, and is told so where it hears anyway. */
export interface Answering {
  readonly topic: string;
  readonly closed: string | undefined;
}

/** `wanted`: what the request names; absent: where that client is answered that has not said where. */
export function answeringOf(
  bus: Pick<Bus, "rightsOf">,
  publish: Pick<InboundPublish, "clientId">,
  node: string,
  { id, wanted }: { readonly id: string; readonly wanted: string | undefined },
): Answering {
  const topic = defaultReplyTopic(publish.clientId, node, id);
  if (wanted === undefined) return { topic, closed: undefined };
  if (isReplyToCall(wanted, id) || publisherOf(bus, publish).mayBeToldOn(wanted))
    return { topic: wanted, closed: undefined };
  return { topic, closed: `answers cannot go to "${wanted.slice(0, 80)}": you may not publish there` };
}

/** Where nobody takes a message for anything but an answer to that very call. */
function isReplyToCall(topic: string, id: string): boolean {
  const caller = topic.split("/")[3];
  return caller !== undefined && topic === levelReplyTopic(caller, id);
}

/** Callers whose identifier cannot stand in a topic share that of the node. */
function defaultReplyTopic(clientId: string | null, node: string, id: string): string {
  const canStandInTopic = clientId !== null && /^[^+#/]+$/.test(clientId);
  return levelReplyTopic(canStandInTopic ? clientId : node, id);
}

/** Why a publish that MQTT has repeated (DUP) is not taken, when nothing tells whether it has run. */
export function repetitionRefused(repeated: boolean, id: string | undefined): string | undefined {
  if (!repeated || id !== undefined) return undefined;
  return "this publish may have come before, and a call without an id of its own could run twice: publish anew, or give calls an id";
}
