// The packets of an MQTT 5 client, as bytes. They say what they are told to, also where that is wrong.
import { binary, propertyBytes, text, two, variable, type Properties } from "./v5-properties.ts";

export type Qos = 0 | 1 | 2;

export interface Will {
  readonly topic: string | Uint8Array;
  readonly payload?: string;
  readonly qos?: number;
  readonly retain?: boolean;
  readonly properties?: Properties;
}

export interface ConnectOptions {
  readonly clientId?: string | Uint8Array;
  readonly cleanStart?: boolean;
  readonly keepAlive?: number;
  readonly will?: Will;
  readonly username?: string | Uint8Array;
  readonly password?: string;
  readonly properties?: Properties;
  readonly protocolName?: string | Uint8Array;
  readonly protocolVersion?: number;
  /** Connect flags in place of those that follow from the rest. */
  readonly flags?: number;
}

export interface PublishOptions {
  readonly topic: string | Uint8Array;
  readonly payload?: string | Uint8Array;
  readonly qos?: number;
  /** Packet identifier, left out for QoS 0. */
  readonly id?: number;
  readonly retain?: boolean;
  readonly dup?: boolean;
  readonly properties?: Properties;
}

export interface Filter {
  readonly filter: string | Uint8Array;
  readonly qos?: Qos;
  readonly noLocal?: boolean;
  readonly retainAsPublished?: boolean;
  readonly retainHandling?: number;
  /** Subscription options in place of those that follow from the rest. */
  readonly options?: number;
}

/** A packet of any shape, its remaining length as it should be. */
export function frame(firstByte: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([firstByte]), variable(body.length), body]);
}

export function bytes(...values: readonly number[]): Uint8Array {
  return Buffer.from(values);
}

export function connectPacket(options: ConnectOptions): Uint8Array {
  const { clientId = "", will, username, password, properties, keepAlive = 0 } = options;
  return frame(
    0x10,
    string(options.protocolName ?? "MQTT"),
    bytes(options.protocolVersion ?? 5, options.flags ?? flagsOf(options)),
    two(keepAlive),
    propertyBytes(properties),
    string(clientId),
    ...(will === undefined ? [] : [propertyBytes(will.properties), string(will.topic), text(will.payload ?? "")]),
    ...(username === undefined ? [] : [string(username)]),
    ...(password === undefined ? [] : [text(password)]),
  );
}

function flagsOf({ cleanStart = true, will, username, password }: ConnectOptions): number {
  return (
    (cleanStart ? 0x02 : 0) |
    (will === undefined ? 0 : 0x04 | ((will.qos ?? 0) << 3) | (will.retain === true ? 0x20 : 0)) |
    (username === undefined ? 0 : 0x80) |
    (password === undefined ? 0 : 0x40)
  );
}

export function publishPacket({
  topic,
  payload = "",
  qos = 0,
  id,
  retain,
  dup,
  properties,
}: PublishOptions): Uint8Array {
  const first = 0x30 | (dup === true ? 0x08 : 0) | (qos << 1) | (retain === true ? 0x01 : 0);
  return frame(
    first,
    string(topic),
    ...(id === undefined ? [] : [two(id)]),
    propertyBytes(properties),
    Buffer.from(payload),
  );
}

export function subscribePacket(id: number, filters: readonly Filter[], properties: Properties = []): Uint8Array {
  const entries = filters.map((entry) => Buffer.concat([string(entry.filter), bytes(optionsOf(entry))]));
  return frame(0x82, two(id), propertyBytes(properties), ...entries);
}

function optionsOf({ qos = 0, noLocal, retainAsPublished, retainHandling = 0, options }: Filter): number {
  if (options !== undefined) return options;
  return qos | (noLocal === true ? 0x04 : 0) | (retainAsPublished === true ? 0x08 : 0) | (retainHandling << 4);
}

export function unsubscribePacket(
  id: number,
  filters: readonly (string | Uint8Array)[],
  properties: Properties = [],
): Uint8Array {
  return frame(0xa2, two(id), propertyBytes(properties), ...filters.map(string));
}

const acknowledgements = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const;

/** An acknowledgement; the short form without a reason, the long one with properties. */
export function ackPacket(
  type: keyof typeof acknowledgements,
  id: number,
  reason?: number,
  properties?: Properties,
): Uint8Array {
  return frame(acknowledgements[type], two(id), ...reasonAndProperties(reason, properties));
}

export function disconnectPacket(reason?: number, properties?: Properties): Uint8Array {
  return frame(0xe0, ...reasonAndProperties(reason, properties));
}

export function authPacket(reason?: number, properties?: Properties): Uint8Array {
  return frame(0xf0, ...reasonAndProperties(reason, properties));
}

export const pingPacket = frame(0xc0);

function reasonAndProperties(reason?: number, properties?: Properties): readonly Uint8Array[] {
  if (reason === undefined) return [];
  return properties === undefined ? [bytes(reason)] : [bytes(reason), propertyBytes(properties)];
}

function string(value: string | Uint8Array): Uint8Array {
  return typeof value === "string" ? text(value) : binary(value);
}
