// A subscription of a session, and a group of sessions that share one ($share, MQTT 5 section 4.8.2).
import { isTopicFilter } from "#shared/mqtt/topic.ts";
import type { Qos } from "#shared/system/bus.ts";
import type { StoredSubscription } from "#shared/system/session-store.ts";
import type { Session } from "./session.ts";

export class Subscription implements StoredSubscription {
  readonly session: Session;
  /** As the client wrote it, with `$share/…`. */
  readonly filter: string;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
  /** 0: none. */
  readonly subscriptionId: number;
  readonly group: ShareGroup | undefined;

  constructor(session: Session, options: StoredSubscription, group: ShareGroup | undefined) {
    this.session = session;
    this.filter = options.filter;
    this.qos = options.qos;
    this.noLocal = options.noLocal;
    this.retainAsPublished = options.retainAsPublished;
    this.retainHandling = options.retainHandling;
    this.subscriptionId = options.subscriptionId;
    this.group = group;
  }
}

export class ShareGroup {
  /** `$share/<name>/<filter>` as it was subscribed to. */
  readonly key: string;
  /** The filter that topics are matched with. */
  readonly filter: string;
  readonly members: Subscription[] = [];
  #next = 0;

  constructor(key: string, filter: string) {
    this.key = key;
    this.filter = filter;
  }

  /** In turn: a connected member that has room, then any connected one, then one that will return. `except` is on its way out. */
  choose(except: Session | undefined): Subscription | undefined {
    const { member, next } = this.#find(except);
    this.#next = next;
    return member;
  }

  /** Whom the next message goes to if it comes now. */
  peek(): Subscription | undefined {
    return this.#find(undefined).member;
  }

  /** `next`: whose turn it is after that. */
  #find(except: Session | undefined): { readonly member: Subscription | undefined; readonly next: number } {
    let connected: Subscription | undefined;
    let absent: Subscription | undefined;
    const { length } = this.members;
    for (let step = 0; step < length; step++) {
      const member = this.members[(this.#next + step) % length];
      if (member === undefined || member.session === except) continue;
      if (member.session.connection?.isOpen !== true) {
        if (member.session.isDurable) absent ??= member;
        continue;
      }
      if (member.session.hasRoom()) return { member, next: (this.#next + step + 1) % length };
      connected ??= member;
    }
    return { member: connected ?? absent, next: length === 0 ? 0 : (this.#next + 1) % length };
  }
}

export interface SharedFilter {
  readonly group: string;
  readonly filter: string;
}

/** The parts of `$share/<group>/<filter>`; undefined for any other filter, "invalid" for one that only looks like it. */
export function sharedFilter(filter: string): SharedFilter | undefined | "invalid" {
  if (!filter.startsWith("$share/")) return undefined;
  const end = filter.indexOf("/", 7);
  if (end === -1) return "invalid";
  const group = filter.slice(7, end);
  const rest = filter.slice(end + 1);
  return group === "" || /[+#]/.test(group) || !isTopicFilter(rest) ? "invalid" : { group, filter: rest }; // [MQTT-4.8.2-2]
}
