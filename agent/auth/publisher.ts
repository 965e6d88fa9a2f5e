// On whose behalf the node speaks to local clients: it must not publish for somebody where that one may not.
import type { Bus, InboundPublish } from "#shared/system/bus.ts";

/** Who publishes. */
export interface Publisher {
  /** Empty: nobody by name. */
  readonly user: string;
  /** Whether the node may publish there on its behalf, beside what is always its own: the replies to that very call. */
  readonly mayBeToldOn: (topic: string) => boolean;
}

/** Who published that, as long as its connection lasts. Parts of the node itself may do everything. */
export function publisherOf(broker: Pick<Bus, "rightsOf">, { clientId }: Pick<InboundPublish, "clientId">): Publisher {
  if (clientId === null) return { user: "", mayBeToldOn: () => true };
  const rights = broker.rightsOf(clientId);
  return {
    user: rights?.user ?? "",
    mayBeToldOn: (topic) => isReplyOfClient(topic, clientId) || rights?.mayPublish(topic) === true,
  };
}

/** Below `/level/replies` each client has a place of its own, by its client id as it is or in the form of a URL. */
function isReplyOfClient(topic: string, clientId: string): boolean {
  const [, level, replies, client] = topic.split("/");
  return level === "level" && replies === "replies" && (client === clientId || client === encodeURIComponent(clientId));
}
