// A client that publishes a plan's messages in order, in bursts and trickles, and keeps what is not confirmed until it is.
import { nextPhase } from "../counting-publisher.ts";
import type { MessagePlan } from "../message-plan.ts";
import type { Seeded } from "../seeded.ts";
import type { ProtocolVersion } from "./mqtt-connection.ts";
import type { Publication, PublisherRecord } from "./record.ts";
import { keepConnected, pause, type Scene } from "./scene.ts";
import { StrictClient } from "./strict-client.ts";
import { Subscriptions } from "./subscriptions.ts";

export interface TorturePublisher {
  readonly record: PublisherRecord;
  readonly client: StrictClient;
  /** Resolves when the scene is over. */
  readonly finished: Promise<void>;
}

export interface PublisherOptions {
  readonly plan: MessagePlan;
  readonly protocol: ProtocolVersion;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  /** How many times more messages than usual are on their way at once: 100 in a burst. */
  readonly width: number;
}

/** How many connections it ends by itself. */
const leavingShare = 0.1;

export function startPublisher(scene: Scene, options: PublisherOptions, random: Seeded): TorturePublisher {
  const { plan, protocol, qos, retain, width } = options;
  const record: PublisherRecord = { plan, qos, retain, publications: [] };
  const name = plan.publisher;
  const confirmed = { wake: (): void => {} };
  const client = new StrictClient(
    { name, port: scene.port, protocol, keepsSession: true },
    {
      acknowledged(publication) {
        publication.acknowledgedAt = scene.ticker.next();
        confirmed.wake();
      },
      message: () => scene.faults.add("a message for who did not subscribe", name),
      answerDelayMs: () => 0,
    },
    scene.faults,
    new Subscriptions({ name, qos, isMember: false, spans: [], deliveries: [] }, "", scene.ticker, scene.faults),
  );
  return { record, client, finished: keepConnected(client, scene, online) };

  async function online(closed: Promise<void>): Promise<void> {
    while (client.isOpen && !scene.calm.aborted) {
      const { messages, outstanding, pauseMs } = nextPhase(random);
      for (let sent = 0; sent < messages * width && client.isOpen && !scene.calm.aborted; sent++) {
        publishNext();
        while (client.outgoing.size >= outstanding * width && client.isOpen)
          await Promise.race([closed, new Promise<void>((resolve) => (confirmed.wake = resolve))]);
      }
      await Promise.race([closed, pause(pauseMs, scene.calm)]);
      if (client.isOpen && !scene.calm.aborted && random.unit() < leavingShare)
        client.drop(random.pick(["disconnect", "reset", "takeover"]));
    }
    if (client.isOpen) await closed;
  }

  function publishNext(): void {
    const number = record.publications.length + 1;
    const { topic, payload } = plan.message(number);
    const publication: Publication = {
      number,
      topic,
      firstSentAt: scene.ticker.next(),
      acknowledgedAt: undefined,
      sends: 0,
    };
    record.publications.push(publication);
    client.publish(publication, payload, qos, retain);
  }
}
