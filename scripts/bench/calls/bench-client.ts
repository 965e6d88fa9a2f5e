// The MQTT clients of these benchmarks: callers, and programs that answer.
import { connectAsync, type MqttClient } from "mqtt";

/** Small packets leave at once: together with delayed acknowledgements anything else costs 40 ms a turn. */
export async function connectBenchClient(port: number, clientId: string): Promise<MqttClient> {
  const client = await connectAsync({
    host: "127.0.0.1",
    port,
    protocol: "mqtt",
    protocolVersion: 4,
    clientId,
    reconnectPeriod: 0,
  });
  client.on("error", () => undefined);
  const { stream } = client;
  if ("setNoDelay" in stream && typeof stream.setNoDelay === "function") stream.setNoDelay(true);
  return client;
}
