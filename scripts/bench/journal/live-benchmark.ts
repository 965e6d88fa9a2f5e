// Alarms beside a backlog: published at the device from the moment its parent is back until all is drained, watched for at the cloud.
import { setTimeout as sleep } from "node:timers/promises";
import { payloadBytes, type BenchContext, type Benchmark, type BenchRow } from "../benchmark.ts";
import { createChain, linkedUp, startChain } from "./chain.ts";
import { openMqttSocket, type MqttSocket } from "../mqtt-socket.ts";
import { encodePublish, encodeSubscribe, packetType, payloadStart, writeUint16 } from "../packets.ts";
import { readStamp, stampBytes, writeStamp } from "../payload-stamp.ts";
import { Samples } from "../percentiles.ts";
import { monotonicMs } from "../process-usage.ts";
import { assertSupported } from "./config-support.ts";
import { guardedCase } from "./guarded-case.ts";
import { countArrived, fetchRows } from "./stored-messages.ts";

const backlog = 500_000;
const backlogQuick = 5_000;
const perSecond = 20;
const lookEveryMs = 20;
const levels = ["cloud", "device"] as const;
const alarmTopic = "/data/alarms/bench";
const settings = [
  'streams = ( { name = "alarms"; filters = ("/data/alarms/#"); priority = 0; }, { name = "data"; filters = ("/data/#"); priority = 2; } );',
];
/** Alarms are no fewer than this, however soon the backlog is gone. */
const alarmsMin = 20;
const drainMsMax = 120_000;

export const liveBenchmark: Benchmark = {
  name: "live",
  title: `P0 at ${perSecond} msg/s while a backlog drains`,
  columns: [
    { key: "backlog", heading: "backlog", digits: 0 },
    { key: "drainMs", heading: "drained in ms", digits: 0 },
    { key: "alarms", heading: "P0 messages", digits: 0 },
    { key: "seen", heading: "of them arrived", digits: 0 },
    { key: "p50", heading: "p50 ms", digits: 1 },
    { key: "p90", heading: "p90 ms", digits: 1 },
    { key: "p99", heading: "p99 ms", digits: 1 },
  ],
  cases: [guardedCase("device → cloud", measure)],
};

async function measure({ nodeDeps, generator, isQuick }: BenchContext, folder: string): Promise<readonly BenchRow[]> {
  await assertSupported(folder, settings);
  await using chain = await createChain(nodeDeps, levels, () => ({ folder, settings }));
  await startChain(chain, levels);
  const [cloud, device] = [chain.at("cloud"), chain.at("device")];
  await cloud.node.kill();
  const load = await generator.load({
    port: device.node.mqttPort,
    flow: { publishers: 50, outstanding: 20, payloadBytes },
    until: { messages: isQuick ? backlogQuick : backlog },
    pids: [],
  });
  const { readyAtMs } = await cloud.start();
  const origin = device.node.name;
  using seen = await watchSubscription(cloud.node.mqttPort, `/from/${origin}${alarmTopic}`);
  using alarms = await startAlarms(device.node.mqttPort);
  const readable = new Samples();
  let drainedAtMs: number | undefined;
  let cursor = 0;
  for (;;) {
    const rows = await fetchRows(cloud.node.httpPort, { origin, path: "alarms/#" }, cursor);
    const nowMs = monotonicMs();
    for (const { payload = "" } of rows) readable.add(nowMs - stampOf(payload));
    cursor = rows.at(-1)?.cursor ?? cursor;
    const isEnded = alarms.isEnded();
    if (isEnded && readable.count >= alarms.sent() && seen.samples.count >= alarms.sent()) break;
    if (nowMs - readyAtMs > drainMsMax) break;
    const { readable: stored } = await countArrived(cloud.node.httpPort, origin);
    if (drainedAtMs === undefined && stored >= load.published + readable.count) drainedAtMs = nowMs;
    if (drainedAtMs !== undefined && alarms.sent() >= alarmsMin) alarms.end();
    await sleep(lookEveryMs);
  }
  await linkedUp(device.node);
  const common = { backlog: load.published, drainMs: (drainedAtMs ?? Number.NaN) - readyAtMs, alarms: alarms.sent() };
  return [
    { name: "readable at /api/v1/data", figures: { ...common, seen: readable.count, ...readable.latency() } },
    { name: "at a subscriber of /from/…", figures: { ...common, seen: seen.samples.count, ...seen.samples.latency() } },
  ];
}

interface Alarms extends Disposable {
  sent(): number;
  end(): void;
  isEnded(): boolean;
}

async function startAlarms(port: number): Promise<Alarms> {
  const image = encodePublish(alarmTopic, Buffer.alloc(payloadBytes, "x"));
  const socket = await openMqttSocket(port, "bench-alarms", { onPacket: () => undefined });
  let sent = 0;
  let ended = false;
  const timer = setInterval(() => {
    if (ended) return;
    const packet = Buffer.from(image.bytes);
    writeUint16(packet, image.packetIdAt, 1 + (sent % 0xffff));
    writeStamp(packet, image.payloadAt, 0, sent++, monotonicMs());
    socket.write(packet);
  }, 1000 / perSecond);
  return {
    sent: () => sent,
    end: () => (ended = true),
    isEnded: () => ended,
    [Symbol.dispose]() {
      clearInterval(timer);
      socket.close();
    },
  };
}

/** Resolves when the cloud has confirmed the subscription. */
async function watchSubscription(port: number, filter: string): Promise<Disposable & { readonly samples: Samples }> {
  const subscribed = Promise.withResolvers<void>();
  const samples = new Samples();
  const socket: MqttSocket = await openMqttSocket(port, "bench-alarm-watch", {
    onPacket(firstByte, bytes, bodyAt) {
      if (firstByte >> 4 === packetType.suback) subscribed.resolve();
      if (firstByte >> 4 !== packetType.publish) return;
      samples.add(monotonicMs() - readStamp(bytes, payloadStart(firstByte, bytes, bodyAt)).timeMs);
    },
  });
  socket.write(encodeSubscribe(1, filter));
  await Promise.race([subscribed.promise, socket.lost]);
  return { samples, [Symbol.dispose]: () => socket.close() };
}

function stampOf(payload: string): number {
  return readStamp(new TextEncoder().encode(payload.slice(0, stampBytes)), 0).timeMs;
}
