// Statistics below `$SYS/broker/`, by the names that other brokers use. Nothing of it is kept: who subscribes gets the values of that
// moment as retained messages, and new ones as long as anybody listens.
import { matchesFilter } from "#shared/mqtt/topic.ts";
import type { BrokerStats } from "./broker.ts";
import { publicationOf, type Publication } from "./publication.ts";

/** How often the values are published. */
export const systemTopicsMs = 10_000;

export interface SystemFigures extends BrokerStats {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly subscriptions: number;
  readonly uptimeSeconds: number;
}

const prefix = "$SYS/broker/";
const utf8 = new TextEncoder();

const figures: Readonly<Record<string, (of: SystemFigures) => number>> = {
  uptime: ({ uptimeSeconds }) => uptimeSeconds,
  "clients/connected": ({ connections }) => connections,
  "clients/persistent": ({ sessions }) => sessions,
  "clients/refused": ({ connectionsRefused }) => connectionsRefused,
  "subscriptions/count": ({ subscriptions }) => subscriptions,
  "bytes/received": ({ bytesIn }) => bytesIn,
  "bytes/sent": ({ bytesOut }) => bytesOut,
  "publish/messages/received": ({ publishesIn }) => publishesIn,
  "publish/messages/sent": ({ publishesOut }) => publishesOut,
  "publish/messages/refused": ({ publishesRefused }) => publishesRefused,
  "publish/messages/dropped": ({ dropped }) => dropped,
  "publish/messages/dropped/slow": ({ droppedSlow }) => droppedSlow,
  "publish/messages/dropped/queue-full": ({ droppedQueueFull }) => droppedQueueFull,
  "publish/messages/dropped/too-large": ({ droppedTooLarge }) => droppedTooLarge,
  "publish/messages/dropped/expired": ({ droppedExpired }) => droppedExpired,
  "retained messages/count": ({ retained }) => retained,
  "store/messages/count": ({ queuedMessages }) => queuedMessages,
  "store/messages/bytes": ({ queuedBytes }) => queuedBytes,
};

/** The values that the legal `filter` matches. `retain`: for a new subscription. */
export function* systemMessages(
  filter: string,
  retain: boolean,
  current: () => SystemFigures,
): Generator<Publication, void, void> {
  if (!filter.startsWith("$SYS")) return;
  const values = current();
  for (const [name, valueOf] of Object.entries(figures)) {
    const topic = prefix + name;
    if (!matchesFilter(filter, topic)) continue;
    yield publicationOf({ topic, payload: utf8.encode(String(valueOf(values))), qos: 0 }, retain);
  }
}
