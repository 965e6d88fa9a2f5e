// MQTT 5 properties (section 2.2.2) as a record of named values, for every packet but PUBLISH on its fast way.
import { malformed, PacketReader, protocolError } from "./packet-reader.ts";
import { PacketWriter } from "./packet-writer.ts";

export interface Properties {
  payloadFormat?: number;
  messageExpiry?: number;
  contentType?: string;
  responseTopic?: string;
  correlationData?: Uint8Array;
  subscriptionId?: number;
  sessionExpiry?: number;
  assignedClientId?: string;
  serverKeepAlive?: number;
  authenticationMethod?: string;
  authenticationData?: Uint8Array;
  requestProblemInformation?: number;
  willDelay?: number;
  requestResponseInformation?: number;
  responseInformation?: string;
  serverReference?: string;
  reasonString?: string;
  receiveMaximum?: number;
  topicAliasMaximum?: number;
  topicAlias?: number;
  maximumQos?: number;
  retainAvailable?: number;
  userProperties?: [name: string, value: string][];
  maximumPacketSize?: number;
  wildcardAvailable?: number;
  subscriptionIdsAvailable?: number;
  sharedAvailable?: number;
}

type Kind = "byte" | "flag" | "two" | "four" | "variable" | "text" | "binary" | "pair";

interface Definition {
  readonly name: keyof Properties;
  readonly kind: Kind;
  /** Zero is a protocol error. */
  readonly positive?: true;
}

export const propertyId = {
  payloadFormat: 0x01,
  messageExpiry: 0x02,
  contentType: 0x03,
  responseTopic: 0x08,
  correlationData: 0x09,
  subscriptionId: 0x0b,
  sessionExpiry: 0x11,
  assignedClientId: 0x12,
  serverKeepAlive: 0x13,
  authenticationMethod: 0x15,
  authenticationData: 0x16,
  requestProblemInformation: 0x17,
  willDelay: 0x18,
  requestResponseInformation: 0x19,
  responseInformation: 0x1a,
  serverReference: 0x1c,
  reasonString: 0x1f,
  receiveMaximum: 0x21,
  topicAliasMaximum: 0x22,
  topicAlias: 0x23,
  maximumQos: 0x24,
  retainAvailable: 0x25,
  userProperties: 0x26,
  maximumPacketSize: 0x27,
  wildcardAvailable: 0x28,
  subscriptionIdsAvailable: 0x29,
  sharedAvailable: 0x2a,
} as const;

const kinds: Readonly<Record<keyof Properties, Kind>> = {
  payloadFormat: "flag",
  messageExpiry: "four",
  contentType: "text",
  responseTopic: "text",
  correlationData: "binary",
  subscriptionId: "variable",
  sessionExpiry: "four",
  assignedClientId: "text",
  serverKeepAlive: "two",
  authenticationMethod: "text",
  authenticationData: "binary",
  requestProblemInformation: "flag",
  willDelay: "four",
  requestResponseInformation: "flag",
  responseInformation: "text",
  serverReference: "text",
  reasonString: "text",
  receiveMaximum: "two",
  topicAliasMaximum: "two",
  topicAlias: "two",
  maximumQos: "flag",
  retainAvailable: "flag",
  userProperties: "pair",
  maximumPacketSize: "four",
  wildcardAvailable: "flag",
  subscriptionIdsAvailable: "flag",
  sharedAvailable: "flag",
};

const positive: ReadonlySet<keyof Properties> = new Set([
  "subscriptionId",
  "receiveMaximum",
  "topicAlias",
  "maximumPacketSize",
]);

const names = Object.keys(propertyId) as (keyof Properties)[];
const definitions: ReadonlyMap<number, Definition> = new Map(
  names.map((name) => [
    propertyId[name],
    { name, kind: kinds[name], ...(positive.has(name) ? ({ positive: true } as const) : {}) },
  ]),
);

/** Which properties a client may send in which packet. */
export const allowedIn = {
  connect: new Set<keyof Properties>([
    "sessionExpiry",
    "receiveMaximum",
    "maximumPacketSize",
    "topicAliasMaximum",
    "requestResponseInformation",
    "requestProblemInformation",
    "userProperties",
    "authenticationMethod",
    "authenticationData",
  ]),
  will: new Set<keyof Properties>([
    "willDelay",
    "payloadFormat",
    "messageExpiry",
    "contentType",
    "responseTopic",
    "correlationData",
    "userProperties",
  ]),
  publish: new Set<keyof Properties>([
    "payloadFormat",
    "messageExpiry",
    "contentType",
    "responseTopic",
    "correlationData",
    "userProperties",
  ]),
  acknowledgement: new Set<keyof Properties>(["reasonString", "userProperties"]),
  subscribe: new Set<keyof Properties>(["subscriptionId", "userProperties"]),
  unsubscribe: new Set<keyof Properties>(["userProperties"]),
  disconnect: new Set<keyof Properties>(["sessionExpiry", "reasonString", "userProperties"]),
  authentication: new Set<keyof Properties>([
    "authenticationMethod",
    "authenticationData",
    "reasonString",
    "userProperties",
  ]),
} as const;

/** Reads the length and the properties. What is not `allowed` there, comes twice, or has a value out of range is an error. */
export function readProperties(reader: PacketReader, allowed: ReadonlySet<keyof Properties>): Properties {
  const length = reader.variableInteger();
  if (length > reader.left) throw malformed("the properties are longer than the packet");
  return readUpTo(reader, reader.at + length, allowed);
}

/** Reads what `encodeProperties` made; values may alias `bytes`. Throws as `readProperties` does. */
export function decodeProperties(bytes: Uint8Array, allowed: ReadonlySet<keyof Properties>): Properties {
  return readUpTo(new PacketReader(bytes, 0, bytes.length), bytes.length, allowed);
}

function readUpTo(reader: PacketReader, end: number, allowed: ReadonlySet<keyof Properties>): Properties {
  const properties: Properties = {};
  while (reader.at < end) {
    const definition = definitions.get(reader.variableInteger());
    if (definition === undefined) throw malformed("there is no such property");
    const { name } = definition;
    if (!allowed.has(name)) throw protocolError(`the property ${name} does not belong into this packet`);
    if (name === "userProperties") {
      (properties.userProperties ??= []).push([reader.text(), reader.text()]);
      continue;
    }
    if (properties[name] !== undefined) throw protocolError(`the property ${name} comes twice`);
    Object.assign(properties, { [name]: readValue(reader, definition) });
  }
  if (reader.at !== end) throw malformed("a property is longer than the properties");
  return properties;
}

function readValue(reader: PacketReader, { name, kind, positive: isPositive }: Definition): unknown {
  const value = readKind(reader, kind);
  if (kind === "flag" && value !== 0 && value !== 1) throw protocolError(`the property ${name} is neither 0 nor 1`);
  if (isPositive === true && value === 0) throw protocolError(`the property ${name} is 0`);
  return value;
}

function readKind(reader: PacketReader, kind: Kind): number | string | Uint8Array {
  switch (kind) {
    case "byte":
    case "flag":
      return reader.byte();
    case "two":
      return reader.twoBytes();
    case "four":
      return reader.fourBytes();
    case "variable":
      return reader.variableInteger();
    case "binary":
      return reader.binary();
    case "text":
    case "pair":
      return reader.text();
  }
}

/** The properties encoded, without their length. */
export function encodeProperties(properties: Properties): Uint8Array {
  const writer = new PacketWriter();
  for (const name of names) {
    const value = properties[name];
    if (value === undefined) continue;
    if (name === "userProperties") {
      for (const [key, text] of properties.userProperties ?? []) {
        writer.byte(propertyId.userProperties);
        writer.text(key);
        writer.text(text);
      }
      continue;
    }
    writer.byte(propertyId[name]);
    writeValue(writer, kinds[name], value);
  }
  return writer.fields();
}

/** With their length in front, as they stand in a packet. */
export function writeProperties(writer: PacketWriter, properties: Properties): void {
  const bytes = encodeProperties(properties);
  writer.variableInteger(bytes.length);
  writer.raw(bytes);
}

function writeValue(writer: PacketWriter, kind: Kind, value: unknown): void {
  if (typeof value === "string") writer.text(value);
  else if (value instanceof Uint8Array) writer.binary(value);
  else if (typeof value === "number") {
    if (kind === "two") writer.twoBytes(value);
    else if (kind === "four") writer.fourBytes(value);
    else if (kind === "variable") writer.variableInteger(value);
    else writer.byte(value);
  }
}
