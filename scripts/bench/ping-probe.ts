// A connection that only asks whether the broker is there: how long an answer takes shows how long its event loop is held up.
import { openMqttSocket } from "./mqtt-socket.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import { packetType, pingPacket } from "./packets.ts";
import type { LatencyMs } from "./percentiles.ts";
import { monotonicMs } from "./process-usage.ts";

export interface PingProbe extends Disposable {
  beginMeasure(): void;
  /** Of the answers since then. The generator's own delays are in it. */
  latency(): LatencyMs;
}

const pingEveryMs = 2;

export async function startPings(port: number): Promise<PingProbe> {
  let roundTripMs = new LatencyHistogram();
  let sentAtMs: number | undefined;
  const socket = await openMqttSocket(port, "bench-pings", {
    onPacket(firstByte) {
      if (firstByte >> 4 !== packetType.pingresp || sentAtMs === undefined) return;
      roundTripMs.add(monotonicMs() - sentAtMs);
      sentAtMs = undefined;
    },
  });
  const timer = setInterval(() => {
    if (sentAtMs !== undefined) return;
    sentAtMs = monotonicMs();
    socket.write(pingPacket);
  }, pingEveryMs);
  return {
    beginMeasure: () => (roundTripMs = new LatencyHistogram()),
    latency: () => roundTripMs.latency(),
    [Symbol.dispose]() {
      clearInterval(timer);
      socket.close();
    },
  };
}
