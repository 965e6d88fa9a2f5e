// An authorizer that tells of the subscriptions that it allows: whoever wants to know what programs listen to need not look for it.
import type { Authorizer } from "../broker/broker.ts";

export interface NoticedSubscriptions {
  readonly authorizer: Authorizer;
  /** `listener` hears the filter of each subscription just before it is made, without what says that it is shared. */
  readonly onSubscribing: (listener: (filter: string) => void) => Disposable;
}

export function noticedSubscriptions(inner: Authorizer): NoticedSubscriptions {
  const listeners = new Set<(filter: string) => void>();
  return {
    authorizer: {
      connect: (client, password) => inner.connect(client, password),
      publish: (client, topic) => inner.publish(client, topic),
      subscribe(client, filter) {
        const isAllowed = inner.subscribe(client, filter);
        if (isAllowed) for (const listener of listeners) listener(filter);
        return isAllowed;
      },
      roleOf: (client) => inner.roleOf(client),
      userOf: (client) => inner.userOf(client),
    },
    onSubscribing(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
}
