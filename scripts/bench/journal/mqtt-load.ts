// Publishing to a child over MQTT, by the load generator.
import { payloadBytes } from "../benchmark.ts";
import type { Generator } from "../generator-process.ts";
import type { PublishLoad, PublishReport } from "./forward-system.ts";

export function publishOverMqtt(generator: Generator, port: number, load: PublishLoad): Promise<PublishReport> {
  const { messages, ...flow } = load;
  return generator.load({ port, flow: { ...flow, payloadBytes }, until: { messages }, pids: [] });
}
