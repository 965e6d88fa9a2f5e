// The properties of MQTT 5: numbers, types, the packets they belong to, and their bytes. Order and repetition are kept.

export type PropertyType = "byte" | "two" | "four" | "variable" | "text" | "binary" | "pair";
export type PropertyValue = number | string | Uint8Array | readonly [name: string, value: string];
export type Property = readonly [name: PropertyName, value: PropertyValue];
export type Properties = readonly Property[];

/** Packets of a server that carry properties, and what may stand in each. */
export type ServerPacketWithProperties =
  | "connack"
  | "publish"
  | "puback"
  | "pubrec"
  | "pubrel"
  | "pubcomp"
  | "suback"
  | "unsuback"
  | "disconnect"
  | "auth";

export const propertyTable = {
  payloadFormatIndicator: [0x01, "byte"],
  messageExpiryInterval: [0x02, "four"],
  contentType: [0x03, "text"],
  responseTopic: [0x08, "text"],
  correlationData: [0x09, "binary"],
  subscriptionIdentifier: [0x0b, "variable"],
  sessionExpiryInterval: [0x11, "four"],
  assignedClientIdentifier: [0x12, "text"],
  serverKeepAlive: [0x13, "two"],
  authenticationMethod: [0x15, "text"],
  authenticationData: [0x16, "binary"],
  requestProblemInformation: [0x17, "byte"],
  willDelayInterval: [0x18, "four"],
  requestResponseInformation: [0x19, "byte"],
  responseInformation: [0x1a, "text"],
  serverReference: [0x1c, "text"],
  reasonString: [0x1f, "text"],
  receiveMaximum: [0x21, "two"],
  topicAliasMaximum: [0x22, "two"],
  topicAlias: [0x23, "two"],
  maximumQoS: [0x24, "byte"],
  retainAvailable: [0x25, "byte"],
  userProperty: [0x26, "pair"],
  maximumPacketSize: [0x27, "four"],
  wildcardSubscriptionAvailable: [0x28, "byte"],
  subscriptionIdentifiersAvailable: [0x29, "byte"],
  sharedSubscriptionAvailable: [0x2a, "byte"],
} as const satisfies Readonly<Record<string, readonly [number, PropertyType]>>;

export type PropertyName = keyof typeof propertyTable;

const ofAcknowledgements: readonly PropertyName[] = ["reasonString", "userProperty"];

/** What a server may put into each of its packets. The session expiry of DISCONNECT belongs to clients. */
export const propertiesOfServer: Readonly<Record<ServerPacketWithProperties, readonly PropertyName[]>> = {
  connack: [
    "sessionExpiryInterval",
    "receiveMaximum",
    "maximumQoS",
    "retainAvailable",
    "maximumPacketSize",
    "assignedClientIdentifier",
    "topicAliasMaximum",
    "reasonString",
    "userProperty",
    "wildcardSubscriptionAvailable",
    "subscriptionIdentifiersAvailable",
    "sharedSubscriptionAvailable",
    "serverKeepAlive",
    "responseInformation",
    "serverReference",
    "authenticationMethod",
    "authenticationData",
  ],
  publish: [
    "payloadFormatIndicator",
    "messageExpiryInterval",
    "topicAlias",
    "responseTopic",
    "correlationData",
    "userProperty",
    "subscriptionIdentifier",
    "contentType",
  ],
  puback: ofAcknowledgements,
  pubrec: ofAcknowledgements,
  pubrel: ofAcknowledgements,
  pubcomp: ofAcknowledgements,
  suback: ofAcknowledgements,
  unsuback: ofAcknowledgements,
  disconnect: ["serverReference", ...ofAcknowledgements],
  auth: ["authenticationMethod", "authenticationData", ...ofAcknowledgements],
};

/** Every value of that name, in their order. */
export function valuesOf(properties: Properties, name: PropertyName): readonly PropertyValue[] {
  return properties.filter(([found]) => found === name).map(([, value]) => value);
}

/** The first value of that name, if there is one. */
export function valueOf(properties: Properties, name: PropertyName): PropertyValue | undefined {
  return valuesOf(properties, name)[0];
}

/** The number of that name, or `absent`. */
export function numberOf(properties: Properties, name: PropertyName, absent: number): number {
  const value = valueOf(properties, name) ?? absent;
  if (typeof value !== "number") throw new Error(`${name} is no number`);
  return value;
}

/** The properties with their length before them. */
export function propertyBytes(properties: Properties = []): Uint8Array {
  const body = Buffer.concat(properties.map(([name, value]) => oneProperty(name, value)));
  return Buffer.concat([variable(body.length), body]);
}

function oneProperty(name: PropertyName, value: PropertyValue): Uint8Array {
  const [id, type] = propertyTable[name];
  return Buffer.concat([Buffer.from([id]), valueBytes(type, value)]);
}

function valueBytes(type: PropertyType, value: PropertyValue): Uint8Array {
  if (typeof value === "number") {
    if (type === "byte") return Buffer.from([value]);
    if (type === "two") return two(value);
    return type === "four" ? four(value) : variable(value);
  }
  if (typeof value === "string") return text(value);
  return value instanceof Uint8Array ? binary(value) : Buffer.concat(value.map((part) => text(part)));
}

export function two(value: number): Uint8Array {
  return Buffer.from([value >> 8, value & 0xff]);
}

function four(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Seven bits a byte, least significant first. */
export function variable(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 128);
  }
}

export function text(value: string): Uint8Array {
  return binary(Buffer.from(value));
}

export function binary(value: Uint8Array): Uint8Array {
  return Buffer.concat([two(value.length), value]);
}
