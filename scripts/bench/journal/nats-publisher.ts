// Publishing into a stream of JetStream: the same closed loop as over MQTT, with the stream's own acknowledgements.
import { payloadBytes } from "../benchmark.ts";
import { writeStamp } from "../payload-stamp.ts";
import { monotonicMs } from "../process-usage.ts";
import type { PublishLoad, PublishReport } from "./forward-system.ts";
import { openNats, type NatsConnection } from "./nats-connection.ts";

interface Progress {
  /** Messages that may still be sent. */
  left: number;
  acked: number;
  ackedAtMs: number;
  /** Resolved when all have been acknowledged. */
  readonly done: PromiseWithResolvers<void>;
}

const silentMsMax = 10_000;
const nameDigits = 5;

/** Publisher p sends to `<subject>.<p>`. Rejects when an acknowledgement is a refusal, or none comes for long. */
export async function publishToStream(port: number, subject: string, load: PublishLoad): Promise<PublishReport> {
  const progress: Progress = { left: load.messages, acked: 0, ackedAtMs: Number.NaN, done: Promise.withResolvers() };
  const publishers = await Promise.all(
    Array.from({ length: load.publishers }, (_, i) => openPublisher(port, subject, load.firstPublisher + i)),
  );
  try {
    const firstAtMs = monotonicMs();
    for (const publisher of publishers) publisher.start();
    await Promise.race([progress.done.promise, silence(progress), ...publishers.map(({ lost }) => lost)]);
    return { published: progress.acked, firstAtMs, lastAtMs: progress.ackedAtMs };
  } finally {
    for (const publisher of publishers) publisher.close();
  }

  async function openPublisher(to: number, below: string, index: number) {
    const name = String(index).padStart(nameDigits, "0");
    const inbox = `_INBOX.ack${process.pid}x${name}`;
    const head = Buffer.from(`PUB ${below}.${name} ${inbox} ${payloadBytes}\r\n`);
    const packet = Buffer.concat([head, Buffer.alloc(payloadBytes, "x"), Buffer.from("\r\n")]);
    let free = load.outstanding;
    let number = 0;
    let acked = 0;
    const connection: NatsConnection = await openNats(to, () => {
      if (acked === 0) return;
      progress.acked += acked;
      progress.ackedAtMs = monotonicMs();
      free += acked;
      acked = 0;
      if (progress.acked === load.messages) progress.done.resolve();
      else send();
    });
    connection.subscribe(inbox, (payload) => {
      // The answer's first word tells: {"stream": …} or {"error": …}.
      if (payload[2] === 0x65) progress.done.reject(new Error(Buffer.from(payload).toString()));
      acked++;
    });
    return { start: send, lost: connection.lost, close: () => connection.close() };

    /** All that may leave now, in one write. */
    function send(): void {
      const count = Math.min(free, progress.left);
      if (count === 0) return;
      free -= count;
      progress.left -= count;
      const packets = Buffer.allocUnsafe(count * packet.length);
      const nowMs = monotonicMs();
      for (let at = 0; at < packets.length; at += packet.length) {
        packets.set(packet, at);
        writeStamp(packets, at + head.length, index, number++, nowMs);
      }
      connection.write(packets);
    }
  }
}

/** Rejects when nothing has been acknowledged for long. */
function silence(progress: Progress): Promise<never> {
  return new Promise((_, reject) => {
    let before = -1;
    const timer = setInterval(() => {
      if (progress.acked === before) reject(new Error(`NATS acknowledged nothing for ${silentMsMax / 1000} s`));
      before = progress.acked;
    }, silentMsMax);
    const stop = (): void => clearInterval(timer);
    progress.done.promise.then(stop, stop);
  });
}
