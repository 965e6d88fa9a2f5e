// What we use of aedes beyond its published types, with the shape that version 1.2.0 has. Nothing else looks inside aedes.
import type { Aedes, AedesPublishPacket, Client } from "aedes";

/** A will reaches `authorizePublish` without `cmd`; `nl`, `messageId` and `brokerId` are set by aedes as a packet travels. */
export interface AedesPacket {
  cmd?: string;
  topic: string;
  payload: Buffer | string;
  qos: 0 | 1 | 2;
  retain: boolean;
  messageId?: number | undefined;
  /** Aedes types it on a publish only. */
  dup?: boolean;
  brokerId?: string | null;
}

/**
 * Turns off aedes' filter against duplicates from other brokers of a cluster. A single broker needs none, and it does harm: of
 * overlapping subscriptions it lets only the first deliver, at whatever QoS, and it drops what a slower one overtook.
 */
export function disableDuplicateFilter(client: Client): void {
  Reflect.set(client, "duplicates", new Proxy({}, { get: () => 0, set: () => true }));
}

/** Turns an exception of the parser, which nobody would catch, into an error of this connection. */
export function guardParser(client: Client): void {
  const parser: unknown = Reflect.get(client, "_parser");
  if (!isParser(parser)) throw new Error("aedes has another parser than expected");
  const parse = parser.parse.bind(parser);
  parser.parse = (bytes) => {
    try {
      return parse(bytes);
    } catch (error) {
      client.conn.destroy(error instanceof Error ? error : new Error("the parser failed"));
      return 0;
    }
  };
}

/** Whether a packet that asks to be published is the will of its connection. */
export function isWill(packet: object): boolean {
  return !("cmd" in packet);
}

/** Removes a connection that was registered although it had closed before. */
export function unregister(aedes: Aedes, client: Client): void {
  for (const { filter, deliver } of subscriptionsOf(client)) call(aedes, "unsubscribe", filter, deliver, () => {});
  call(aedes, "unregisterClient", client);
}

/** Puts a connection back that aedes lost sight of when an older one with its client id ended late. */
export function reinstate(aedes: Aedes, client: Client): void {
  const clients: unknown = Reflect.get(aedes, "clients");
  if (typeof clients !== "object" || clients === null || client.id in clients) return;
  Reflect.set(clients, client.id, client);
  Reflect.set(aedes, "connectedClients", aedes.connectedClients + 1);
}

function call(aedes: Aedes, method: string, ...args: readonly unknown[]): void {
  const implementation: unknown = Reflect.get(aedes, method);
  if (typeof implementation !== "function") throw new Error(`aedes has no ${method}`);
  Reflect.apply(implementation, aedes, args);
}

/** Whether the packet was delivered before, or comes from a stored session: it carries its packet identifier. */
export function isFromSession(packet: AedesPublishPacket): boolean {
  return packet.messageId !== undefined;
}

/** Whether the packet is a retained one for a new subscription. */
export function isRetainedDelivery(packet: AedesPublishPacket): boolean {
  return !packet.brokerId;
}

/** The filters of a connection with their QoS. */
export function subscriptionsOf(client: Client): readonly { filter: string; qos: number; deliver: unknown }[] {
  const subscriptions: unknown = Reflect.get(client, "subscriptions");
  if (typeof subscriptions !== "object" || subscriptions === null) return [];
  return Object.entries(subscriptions).map(([filter, { qos, func }]: [string, { qos: number; func: unknown }]) => ({
    filter,
    qos,
    deliver: func,
  }));
}

interface Parser {
  parse(bytes: Uint8Array): number;
}

function isParser(value: unknown): value is Parser {
  return typeof value === "object" && value !== null && "parse" in value && typeof value.parse === "function";
}
