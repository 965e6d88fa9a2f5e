// The `mqtt` package as a real client, over TCP or WebSocket.
import { connect, type IClientOptions, type MqttClient } from "mqtt";
import { Arrivals, type ClientKind, type RealPublish, type RealSubscriber } from "./real-client.ts";

/** `webSocketPortOf`: over WebSocket, at the port that belongs to a node's port for TCP. */
export function mqttJsClient(version: 4 | 5, webSocketPortOf?: (port: number) => number): ClientKind {
  const open = async (port: number, options: IClientOptions, arrivals?: Arrivals): Promise<MqttClient> => {
    const client = connect({
      host: "127.0.0.1",
      ...(webSocketPortOf === undefined
        ? { port, protocol: "mqtt" }
        : { port: webSocketPortOf(port), protocol: "ws", path: "/mqtt" }),
      protocolVersion: version,
      reconnectPeriod: 0,
      resubscribe: false,
      ...options,
    });
    // Before the connection is there: what waited for the session comes right behind CONNACK.
    client.on("message", (topic, payload, { qos, retain }) => arrivals?.take({ topic, payload, qos, retain }));
    const connected = Promise.withResolvers<void>();
    client.once("connect", () => connected.resolve());
    client.on("error", connected.reject);
    client.once("close", () => connected.reject(new Error("closed before it was connected")));
    await connected.promise;
    return client;
  };
  const started = async (port: number, options: IClientOptions, filter?: string, qos: 0 | 1 | 2 = 0) => {
    const arrivals = new Arrivals();
    const client = await open(port, options, arrivals);
    if (filter !== undefined) await client.subscribeAsync(filter, { qos });
    return subscriberOf(client, arrivals);
  };
  return {
    name: `mqtt.js${webSocketPortOf === undefined ? "" : " over WebSocket"}, MQTT ${version === 5 ? "5" : "3.1.1"}`,
    version,
    qosMax: 2,
    leavesWithWill: false,
    async publish(port, message) {
      const client = await open(port, {});
      try {
        const { topic, payload, qos, retain = false } = message;
        await client.publishAsync(topic, Buffer.from(payload), { qos, retain, ...propertiesOf(message) });
      } finally {
        await client.endAsync();
      }
    },
    subscribe: (port, { clientId, filter, qos, sessionSeconds, resumes }) =>
      started(
        port,
        {
          clientId,
          clean: sessionSeconds === undefined,
          ...(version === 5 &&
            sessionSeconds !== undefined && { properties: { sessionExpiryInterval: sessionSeconds } }),
        },
        resumes === true ? undefined : filter,
        qos,
      ),
    connectWithWill: (port, clientId, will) => {
      const { topic, payload, qos, retain = false } = will;
      return started(port, { clientId, will: { topic, payload: Buffer.from(payload), qos, retain } });
    },
  };
}

function propertiesOf({ expirySeconds }: RealPublish) {
  return expirySeconds === undefined ? {} : { properties: { messageExpiryInterval: expirySeconds } };
}

function subscriberOf(client: MqttClient, arrivals: Arrivals): RealSubscriber {
  return {
    received: arrivals.received,
    until: (count) => arrivals.until(count),
    leave: () => client.endAsync(),
    async kill() {
      const closed = new Promise<void>((resolve) => void client.once("close", () => resolve()));
      client.stream.destroy();
      await closed;
    },
  };
}
