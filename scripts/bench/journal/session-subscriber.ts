// A QoS 1 subscriber with a session that outlives its connection: it comes back as soon as its broker does, and counts.
import { setTimeout as sleep } from "node:timers/promises";
import { AckBatch } from "../ack-batch.ts";
import { openMqttSocket, type MqttSocket } from "../mqtt-socket.ts";
import { ackByte, encodeSubscribe, packetIdStart, packetType, payloadStart, readUint16 } from "../packets.ts";
import { readStamp } from "../payload-stamp.ts";
import { SequenceTally } from "../sequence-tally.ts";

export interface SessionSubscriber extends AsyncDisposable {
  readonly tally: SequenceTally;
}

const redialMs = 10;

/** Resolves when the broker has confirmed the subscription. */
export async function startSessionSubscriber(port: number, filter: string): Promise<SessionSubscriber> {
  const tally = new SequenceTally();
  const subscribed = Promise.withResolvers<void>();
  const stop = new AbortController();
  let socket: MqttSocket | undefined;
  const done = stayConnected();
  await subscribed.promise;
  return {
    tally,
    async [Symbol.asyncDispose]() {
      stop.abort();
      socket?.close();
      await done;
    },
  };

  async function stayConnected(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        await connect();
      } catch {
        await sleep(redialMs);
      }
    }
  }

  /** Rejects when the connection ends, or there is none. */
  async function connect(): Promise<void> {
    const acks = new AckBatch();
    const opened = await openMqttSocket(
      port,
      "bench-session",
      {
        onPacket(firstByte, bytes, bodyAt) {
          if (firstByte >> 4 === packetType.suback) subscribed.resolve();
          if (firstByte >> 4 !== packetType.publish) return;
          acks.add(ackByte.puback, readUint16(bytes, packetIdStart(bytes, bodyAt)));
          const { publisher, number } = readStamp(bytes, payloadStart(firstByte, bytes, bodyAt));
          tally.note(publisher, number);
        },
        onChunkEnd() {
          const answer = acks.take();
          if (answer !== undefined) opened.write(answer);
        },
      },
      { keepsSession: true },
    );
    socket = opened;
    opened.write(encodeSubscribe(1, filter, 1));
    const stopped = new Promise<void>((resolve) => stop.signal.addEventListener("abort", () => resolve()));
    await Promise.race([opened.lost, stopped]);
  }
}
