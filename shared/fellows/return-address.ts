// Where a client's request over MQTT wants its response [U32]: MQTT 5 says it beside the payload, with a response topic and correlation
// data; a client of 3.1.1 puts `reply` and `id` into the payload. The payload goes first where both are there [C14].
import { limits } from "../limits.ts";
import { isTopicName } from "../mqtt/topic.ts";

export interface ReturnAddress {
  readonly topic: string;
  /** MQTT 5: goes back as it came. */
  readonly correlation: Uint8Array | undefined;
  /** 3.1.1: goes back in the payload, in the field `id`. */
  readonly id: string | number | undefined;
}

/** What a request said, not checked yet. */
export interface AskedReturn {
  readonly responseTopic: string | undefined;
  readonly correlation: Uint8Array | undefined;
  /** The fields of the payload, whatever they are. */
  readonly reply: unknown;
  readonly id: unknown;
}

/**
 * `none`: nobody wants a response. `ownTrees`: prefixes of topics on which a response would be taken for something else, such as the
 * cluster's; whether the client may publish there is for its broker to say.
 */
export function returnAddressOf(
  { responseTopic, correlation, reply, id }: AskedReturn,
  ownTrees: readonly string[],
): ReturnAddress | { readonly refused: string } | "none" {
  const topic = reply ?? responseTopic;
  if (topic === undefined || topic === null) return "none";
  if (typeof topic !== "string" || !isTopicName(topic) || topic.startsWith("$"))
    return { refused: "reply must be a topic to publish on" };
  if (ownTrees.some((prefix) => topic === prefix || topic.startsWith(`${prefix}/`)))
    return { refused: "reply must not be a topic of the servers themselves" };
  if (correlation !== undefined && correlation.length > limits.correlationBytes)
    return { refused: `correlation data may have ${limits.correlationBytes} bytes` };
  const known = id === null ? undefined : id;
  if (!isId(known))
    return { refused: `id must be a number, or a text of at most ${limits.correlationBytes} characters` };
  return { topic, correlation: correlation === undefined ? undefined : Uint8Array.from(correlation), id: known };
}

function isId(id: unknown): id is string | number | undefined {
  return id === undefined || typeof id === "number" || (typeof id === "string" && id.length <= limits.correlationBytes);
}
