// A stock MQTT client (npm mqtt) over a real socket, in the shape that the contract suite drives.
import { connect, type IClientOptions } from "mqtt";
import type { Message, Qos } from "#shared/system/bus.ts";
import type { MemoryClient, MemoryClientOptions } from "./memory-broker.ts";

export interface MqttTestClientOptions extends MemoryClientOptions {
  /** A session that outlives the connection. */
  readonly keepSession?: boolean;
}

/** Rejects when the broker refuses the connection. Never reconnects. */
export async function connectMqtt(
  port: number,
  clientId: string,
  { will, username, password, keepSession }: MqttTestClientOptions = {},
): Promise<MemoryClient> {
  const options: IClientOptions = {
    host: "127.0.0.1",
    port,
    clientId,
    clean: keepSession !== true,
    reconnectPeriod: 0,
    protocolVersion: 4,
    resubscribe: false,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(will !== undefined && { will: willOf(will) }),
  };
  const client = connect(options);
  const closed = Promise.withResolvers<void>();
  const connected = Promise.withResolvers<void>();
  const handlers: ((message: Message) => void)[] = [];
  const early: Message[] = [];
  client.on("error", connected.reject);
  client.on("connect", () => connected.resolve());
  client.on("close", () => {
    closed.resolve();
    connected.reject(new Error("closed"));
  });
  client.on("message", (topic, payload, { qos, retain }) => {
    const message: Message = { topic, payload, qos, retain };
    if (handlers.length === 0) early.push(message);
    for (const handler of handlers) handler(message);
  });
  await connected.promise;
  const orClosed = <T>(work: Promise<T>): Promise<T> =>
    Promise.race([work, closed.promise.then(() => Promise.reject(new Error("closed")))]);
  return {
    clientId,
    closed: closed.promise,
    publish: async ({ topic, payload, qos, retain }) => {
      await orClosed(client.publishAsync(topic, Buffer.from(payload), { qos, retain }));
    },
    subscribe: (filter, qos: Qos = 0) => orClosed(subscribeOrFail(client, filter, qos)),
    unsubscribe: async (filter) => void (await orClosed(client.unsubscribeAsync(filter))),
    onMessage: (handler) => {
      handlers.push(handler);
      for (const message of early.splice(0)) handler(message);
    },
    disconnect: () => client.endAsync(),
    drop: async () => {
      client.stream.destroy();
      await closed.promise;
    },
  };
}

function willOf({ topic, payload, qos, retain }: Message): NonNullable<IClientOptions["will"]> {
  return { topic, payload: Buffer.from(payload), qos, retain };
}

/** The client reports the failure code 128 as an error. */
async function subscribeOrFail(client: ReturnType<typeof connect>, filter: string, qos: Qos): Promise<boolean> {
  try {
    const granted = await client.subscribeAsync(filter, { qos });
    return granted.every((grant) => grant.qos <= 2);
  } catch (error) {
    if (client.connected) return false;
    throw error;
  }
}
