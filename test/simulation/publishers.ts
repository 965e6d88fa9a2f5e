// Who publishes into the nodes and writes down what was acknowledged. A message is published once, whatever becomes of it.
import type { Seeded } from "../../scripts/torture/seeded.ts";
import type { MemoryBroker, MemoryClient } from "../fakes/memory-broker.ts";
import type { StreamPlan } from "./plan.ts";

const latin1 = new TextDecoder("latin1");

/** The publisher and number that a payload carries: "device-1/data 17". */
export function nameMessage(payload: Uint8Array): string {
  return latin1.decode(payload.subarray(0, 80)).split(" ", 2).join(" ");
}

/** Where messages are published. */
export interface PublishPlace {
  readonly node: string;
  readonly broker: MemoryBroker;
  /** Whether an acknowledgement is still heard. */
  isAlive(): boolean;
}

export class Publishers {
  readonly acknowledged = new Set<string>();
  published = 0;
  readonly #random: Seeded;
  readonly #next = new Map<string, number>();
  readonly #clients = new Map<string, { readonly broker: MemoryBroker; readonly client: Promise<MemoryClient> }>();

  constructor(random: Seeded) {
    this.#random = random;
  }

  /** The payload of the message with that name: it follows from the seed. */
  payloadOf(message: string): Uint8Array {
    const drawn = this.#random.fork(message);
    const head = `${message} `;
    const payload = Buffer.alloc(
      Math.max(head.length, payloadBytes(drawn, message.includes("/bulk "))),
      drawn.between(0, 255),
    );
    payload.write(head, "latin1");
    return payload;
  }

  /** Publishes `count` messages at QoS 1, without a wait between them. */
  publish(place: PublishPlace, stream: StreamPlan, count: number): void {
    const publisher = `${place.node}/${stream.name}`;
    const first = (this.#next.get(publisher) ?? 0) + 1;
    this.#next.set(publisher, first + count - 1);
    this.published += count;
    for (let number = first; number < first + count; number++) {
      const message = `${publisher} ${number}`;
      void this.#publishOne(place, `${stream.topic}/${number % 3}`, message).then((isStored) => {
        if (isStored && place.isAlive()) this.acknowledged.add(message);
      });
    }
  }

  async #publishOne({ node, broker }: PublishPlace, topic: string, message: string): Promise<boolean> {
    try {
      const client = await this.#client(node, broker);
      await client.publish({ topic, payload: this.payloadOf(message), qos: 1, retain: false });
      return true;
    } catch {
      return false; // refused, or the connection ended before the acknowledgement
    }
  }

  #client(node: string, broker: MemoryBroker): Promise<MemoryClient> {
    const known = this.#clients.get(node);
    if (known?.broker === broker) return known.client;
    const client = broker.connect(`publisher-of-${node}`);
    this.#clients.set(node, { broker, client });
    const forget = (): void => {
      if (this.#clients.get(node)?.client === client) this.#clients.delete(node);
    };
    client.then(({ closed }) => closed).then(forget, forget);
    return client;
  }
}

/** Mostly a reading; the log's are pages, so that a small budget runs out. */
function payloadBytes(random: Seeded, isBulk: boolean): number {
  if (isBulk) return random.between(1_000, 20_000);
  return random.unit() < 0.95 ? random.between(0, 200) : random.between(200, 4_000);
}
