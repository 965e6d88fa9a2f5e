// Request and response as MQTT 5 has them (section 4.10): the topic for the answer, and what the requester wants back with it.
import { type Properties, encodeProperties, readProperties } from "#shared/mqtt/properties.ts";
import { PacketReader } from "#shared/mqtt/packet-reader.ts";
import { PacketWriter } from "#shared/mqtt/packet-writer.ts";

const forwarded: ReadonlySet<keyof Properties> = new Set([
  "payloadFormat",
  "contentType",
  "responseTopic",
  "correlationData",
  "userProperties",
]);

/** `properties`: those of a message, without their length. */
export function readReplyProperties(
  properties: Uint8Array | undefined,
): Pick<Properties, "responseTopic" | "correlationData"> {
  if (properties === undefined || properties.length === 0) return {};
  const writer = new PacketWriter();
  writer.variableInteger(properties.length);
  writer.raw(properties);
  const fields = writer.fields();
  const { responseTopic, correlationData } = readProperties(new PacketReader(fields, 0, fields.length), forwarded);
  return {
    ...(responseTopic === undefined ? {} : { responseTopic }),
    // Decoded bytes alias the packet they came in.
    ...(correlationData === undefined ? {} : { correlationData: Uint8Array.from(correlationData) }),
  };
}

/** Properties of an answer, as a message carries them. */
export function replyProperties(correlationData: Uint8Array | undefined): { readonly properties?: Uint8Array } {
  return correlationData === undefined ? {} : { properties: encodeProperties({ correlationData }) };
}
