// What MQTT 5 says beside a request (section 4.10), and what its answer carries back.
import { allowedIn, decodeProperties, encodeProperties } from "../mqtt/properties.ts";
import type { InboundPublish, Message } from "../system/bus.ts";

export interface RequestProperties {
  /** Where the answer is wanted. Not checked; what the body says goes before it. */
  readonly responseTopic: string | undefined;
  /** Goes back with every answer, as it is. */
  readonly correlation: Uint8Array | undefined;
  /** How long the request may live, unless the body says so. */
  readonly expiryMs: number | undefined;
}

/** Nothing of a client that does not speak MQTT 5. Keeps no part of `publish`. */
export function readRequestProperties({
  properties,
  expirySeconds,
}: Pick<InboundPublish, "properties" | "expirySeconds">): RequestProperties {
  const { responseTopic, correlationData } =
    properties === undefined ? {} : decodeProperties(properties, allowedIn.publish);
  return {
    responseTopic,
    correlation: correlationData === undefined ? undefined : Uint8Array.from(correlationData),
    expiryMs: expirySeconds === undefined ? undefined : expirySeconds * 1000,
  };
}

/** The properties of an answer, to be spread into its message. */
export function replyProperties(correlation: Uint8Array | undefined): Pick<Message, "properties"> {
  return correlation === undefined ? {} : { properties: encodeProperties({ correlationData: correlation }) };
}
