// What a publisher sends: every message follows from the seed, the publisher's name and the message's number, so that whoever
// knows these three can tell whether what was stored is what was sent.
import type { Seeded } from "./seeded.ts";

export interface PlannedMessage {
  readonly topic: string;
  readonly payload: Buffer;
}

export interface MessagePlan {
  readonly publisher: string;
  message(number: number): PlannedMessage;
  /** The number that a payload of this publisher carries, or undefined when it is not one. */
  numberOf(payload: Buffer): number | undefined;
}

/** The first ones are captured as a stream of their own: see `torture-tree.ts`. */
const capturedTopics = [
  "/data/alarm/door",
  "/data/pump/pressure",
  "/data/pump/temperature",
  "/data/hall/3/light",
  "/data/log",
];

export function createMessagePlan(
  random: Seeded,
  publisher: string,
  topics: readonly string[] = capturedTopics,
  payloadBytes: (random: Seeded) => number = mostlySmall,
): MessagePlan {
  return {
    publisher,
    message(number) {
      const drawn = random.fork(`${publisher}/${number}`);
      const topic = drawn.pick(topics);
      const head = `${publisher} ${number} `;
      const bytes = Math.max(head.length, payloadBytes(drawn));
      // One in eight is no valid UTF-8: payloads are bytes.
      const fill = drawn.between(1, 8) === 1 ? 0xff : drawn.between(0x20, 0x7e);
      const payload = Buffer.alloc(bytes, fill);
      payload.write(head, "latin1");
      return { topic, payload };
    },
    numberOf(payload) {
      const [name, number] = payload.toString("latin1", 0, publisher.length + 20).split(" ", 2);
      return name === publisher && number !== undefined && /^\d{1,15}$/.test(number) ? Number(number) : undefined;
    },
  };
}

/** Mostly a reading, sometimes a record, now and then a page. */
function mostlySmall(random: Seeded): number {
  const kind = random.unit();
  if (kind < 0.9) return random.between(0, 200);
  return kind < 0.99 ? random.between(200, 2_000) : random.between(2_000, 16_000);
}
