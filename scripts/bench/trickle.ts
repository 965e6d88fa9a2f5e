// The quiet load of the generator: one publisher at a fixed rate, and a subscriber at each watched node.
import { setTimeout as sleep } from "node:timers/promises";
import { openMqttSocket, type MqttSocket } from "./mqtt-socket.ts";
import { benchTopic, type ArrivalReport, type TrickleOrder, type TrickleReport } from "./generator-protocol.ts";
import { encodePublish, encodeSubscribe, packetType, payloadStart, readUint16, writeUint16 } from "./packets.ts";
import { readStamp, writeStamp } from "./payload-stamp.ts";
import { Samples } from "./percentiles.ts";
import { monotonicMs, startCpuMeter } from "./process-usage.ts";
import { SequenceTally } from "./sequence-tally.ts";

const arriveMsMax = 10_000;
const lookEveryMs = 20;
const packetIds = 0xffff;

interface Watcher {
  readonly socket: MqttSocket;
  readonly tally: SequenceTally;
  report(published: number): ArrivalReport;
}

export async function runTrickle(order: TrickleOrder): Promise<TrickleReport> {
  const { perSecond, pids, warmUpMs, measureMs } = order;
  const warmUpMessages = Math.round((warmUpMs / 1000) * perSecond);
  const messages = warmUpMessages + Math.round((measureMs / 1000) * perSecond);
  const watchers = await Promise.all(
    order.watch.map(({ port, filter }, i) => watch(port, filter, `bench-watch-${i}`, warmUpMessages)),
  );
  const publisher = await openTricklePublisher(order, warmUpMessages);
  const lost = Promise.race([...watchers.map(({ socket }) => socket.lost), publisher.socket.lost]);
  let meter = startCpuMeter([]);
  const startMs = monotonicMs();
  for (let number = 0; number < messages; number++) {
    if (number === warmUpMessages) meter = startCpuMeter([...pids, process.pid]);
    const waitMs = startMs + (number * 1000) / perSecond - monotonicMs();
    if (waitMs > 0) await Promise.race([sleep(waitMs), lost]);
    publisher.send(number);
  }
  const cpu = meter();
  const isThere = (): boolean => watchers.every(({ tally }) => tally.received >= messages);
  const endMs = monotonicMs() + arriveMsMax;
  while (!isThere() && monotonicMs() < endMs) await Promise.race([sleep(lookEveryMs), lost]);
  for (const { socket } of [...watchers, publisher]) socket.close();
  return {
    published: messages,
    ackMs: publisher.ackMs.latency(),
    arrivals: watchers.map((watcher) => watcher.report(messages)),
    cpu: cpu.slice(0, pids.length),
    generatorCpu: cpu.at(-1) ?? Number.NaN,
  };
}

async function openTricklePublisher(
  { port, payloadBytes }: TrickleOrder,
  warmUpMessages: number,
): Promise<{ readonly socket: MqttSocket; readonly ackMs: Samples; send(number: number): void }> {
  const { bytes, packetIdAt, payloadAt } = encodePublish(`${benchTopic}/0`, new Uint8Array(payloadBytes).fill(120));
  const sentAtMs = new Float64Array(packetIds + 1);
  const ackMs = new Samples();
  let acked = 0;
  const socket = await openMqttSocket(port, "bench-trickle", {
    onPacket(firstByte, packet, bodyAt) {
      if (firstByte >> 4 !== packetType.puback) return;
      if (++acked > warmUpMessages) ackMs.add(monotonicMs() - (sentAtMs[readUint16(packet, bodyAt)] ?? 0));
    },
  });
  return {
    socket,
    ackMs,
    send(number) {
      const nowMs = monotonicMs();
      const id = 1 + (number % packetIds);
      const packet = Buffer.from(bytes);
      writeUint16(packet, packetIdAt, id);
      writeStamp(packet, payloadAt, 0, number, nowMs);
      sentAtMs[id] = nowMs;
      socket.write(packet);
    },
  };
}

/** Resolves when the node has confirmed the subscription. */
async function watch(port: number, filter: string, clientId: string, warmUpMessages: number): Promise<Watcher> {
  const subscribed = Promise.withResolvers<void>();
  const tally = new SequenceTally();
  const arrivalMs = new Samples();
  const socket = await openMqttSocket(port, clientId, {
    onPacket(firstByte, bytes, bodyAt) {
      if (firstByte >> 4 === packetType.suback) subscribed.resolve();
      if (firstByte >> 4 !== packetType.publish) return;
      const { publisher, number, timeMs } = readStamp(bytes, payloadStart(firstByte, bytes, bodyAt));
      tally.note(publisher, number);
      if (number >= warmUpMessages) arrivalMs.add(monotonicMs() - timeMs);
    },
  });
  socket.write(encodeSubscribe(1, filter));
  await Promise.race([subscribed.promise, socket.lost]);
  return {
    socket,
    tally,
    report: (published) => ({
      arrivalMs: arrivalMs.latency(),
      lost: tally.lostOf(published),
      duplicates: tally.duplicates,
      overtaken: tally.overtaken,
      gaps: tally.gaps,
    }),
  };
}
