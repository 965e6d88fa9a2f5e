// Connections that do nothing but be there.
import type { HoldOrder, HoldReport } from "./generator-protocol.ts";
import { openMqttSocket, type MqttSocket } from "./mqtt-socket.ts";
import { monotonicMs } from "./process-usage.ts";

const connectAtOnce = 100;

/** Answers what opens connections in place of those of the last time. */
export function createConnectionHolder(): (order: HoldOrder) => Promise<HoldReport> {
  let held: MqttSocket[] = [];
  return async ({ port, connections }) => {
    for (const socket of held) socket.close();
    held = [];
    const startMs = monotonicMs();
    const handlers = { onPacket: () => undefined };
    while (held.length < connections) {
      const count = Math.min(connectAtOnce, connections - held.length);
      const names = Array.from({ length: count }, (_, i) => `bench-idle-${held.length + i}`);
      held.push(...(await Promise.all(names.map((name) => openMqttSocket(port, name, handlers)))));
    }
    return { connectMs: monotonicMs() - startMs };
  };
}
