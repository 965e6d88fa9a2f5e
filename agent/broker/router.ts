// Who gets what: subscriptions by filter, and for every topic in use the sessions that it goes to, worked out once and kept until a
// subscription changes.
import { limits } from "#shared/limits.ts";
import { isTopicName } from "#shared/mqtt/topic.ts";
import { TopicTree } from "#shared/mqtt/topic-tree.ts";
import { TopicTable, hashBytes, type TopicEntry } from "#shared/mqtt/topic-table.ts";
import { decodeText } from "#shared/mqtt/packet-reader.ts";
import type { Qos } from "#shared/system/bus.ts";
import type { Inside } from "./in-process.ts";
import type { Session } from "./session.ts";
import { sharedFilter, ShareGroup, type Subscription } from "./subscription.ts";

/** A topic and one session that gets its messages, by one subscription or several. */
export class Route {
  readonly session: Session;
  readonly subscriptions: Subscription[] = [];
  /** The highest that was granted [MQTT-3.3.4-2]. */
  qos: Qos = 0;
  retainAsPublished = false;
  hasNoLocal = false;
  subscriptionIds: readonly number[] = [];

  constructor(session: Session) {
    this.session = session;
  }

  add(subscription: Subscription): void {
    this.subscriptions.push(subscription);
    if (subscription.qos > this.qos) this.qos = subscription.qos;
    this.retainAsPublished ||= subscription.retainAsPublished;
    this.hasNoLocal ||= subscription.noLocal;
    if (subscription.subscriptionId > 0) this.subscriptionIds = [...this.subscriptionIds, subscription.subscriptionId];
  }
}

export interface Routes {
  readonly routes: readonly Route[];
  readonly groups: readonly ShareGroup[];
}

/** What is known of one topic. */
export class BrokerTopic implements TopicEntry {
  readonly hash: number;
  readonly bytes: Uint8Array;
  readonly text: string;
  /** A client may publish on it. */
  readonly isLegal: boolean;
  routes: Routes | undefined;
  routesGeneration = -1;
  inside: Inside | undefined;
  /** Roles that may publish on it. */
  readonly publishers: object[] = [];

  constructor(hash: number, bytes: Uint8Array) {
    this.hash = hash;
    this.bytes = bytes;
    this.text = decodeText(bytes);
    this.isLegal = isTopicName(this.text);
  }
}

/** 20 000 topics in use at once fit into one generation. */
const topicBounds = { entriesMax: 32_768, bytesMax: 4 * 1024 * 1024 };
/** Routes that are kept for all topics together, with something for each topic: many subscribers of everything and many topics would multiply. */
export const routesKeptMax = 524_288;
const topicCost = 8;
const utf8 = new TextEncoder();

export class Router {
  readonly #tree = new TopicTree<Subscription | ShareGroup>();
  readonly #groups = new Map<string, ShareGroup>();
  readonly #topics: TopicTable<BrokerTopic>;
  #generation = 0;
  /** Topics with routes, current or not. */
  readonly #kept = new Set<BrokerTopic>();
  #keptCost = 0;

  /** `seed`: chance, so that nobody can make up topics that collide. */
  constructor(seed = 0) {
    this.#topics = new TopicTable(topicBounds, (hash, bytes) => new BrokerTopic(hash, bytes), seed);
  }

  /** The filters of all subscriptions have so many levels that no more are taken. */
  get isFull(): boolean {
    return this.#tree.nodes >= limits.subscriptionLevels;
  }

  /** Subscriptions, a group's counted once. */
  get size(): number {
    return this.#tree.size;
  }

  /** The topic whose name lies there. Throws MqttProtocolError when it is no text. */
  topic(bytes: Uint8Array, from: number, to: number): BrokerTopic {
    return this.#topics.get(bytes, from, to);
  }

  topicOf(text: string): BrokerTopic {
    const bytes = utf8.encode(text);
    if (bytes.length > 65_535) return new BrokerTopic(hashBytes(bytes, 0, 0), bytes); // never published
    return this.#topics.get(bytes, 0, bytes.length);
  }

  add(subscription: Subscription): void {
    const { group } = subscription;
    if (group === undefined) this.#tree.add(subscription.filter, subscription);
    else {
      group.members.push(subscription);
      if (group.members.length === 1) {
        this.#groups.set(group.key, group);
        this.#tree.add(group.filter, group);
      }
    }
    this.#generation++;
  }

  remove(subscription: Subscription): void {
    const { group } = subscription;
    if (group === undefined) this.#tree.remove(subscription.filter, subscription);
    else {
      const at = group.members.indexOf(subscription);
      if (at >= 0) group.members.splice(at, 1);
      if (group.members.length === 0) {
        this.#tree.remove(group.filter, group);
        this.#groups.delete(group.key);
      }
    }
    this.#generation++;
  }

  /** The group that the legal filter names, if it names one; known here as long as it has members. */
  groupOf(filter: string): ShareGroup | undefined {
    const shared = sharedFilter(filter);
    if (shared === undefined || shared === "invalid") return undefined;
    return this.#groups.get(filter) ?? new ShareGroup(filter, shared.filter);
  }

  routesOf(topic: BrokerTopic): Routes {
    const { routes } = topic;
    if (routes !== undefined && topic.routesGeneration === this.#generation) return routes;
    return this.#keep(topic, this.#resolve(topic.text));
  }

  hasSubscriber(topic: string): boolean {
    return this.#tree.hasMatch(topic);
  }

  exactSubscribers(topic: string): readonly string[] {
    const subscriptions = [...this.#tree.exactly(topic)].flatMap((found) =>
      found instanceof ShareGroup ? [found.peek()] : [found],
    );
    const connected = subscriptions.filter((subscription) => subscription?.session.connection?.isOpen === true);
    return [...new Set(connected.flatMap((subscription) => subscription?.session.clientId ?? []))];
  }

  hasSubscriberBelow(prefix: string): boolean {
    return this.#tree.hasMatchBelow(prefix);
  }

  #keep(topic: BrokerTopic, routes: Routes): Routes {
    if (topic.routes !== undefined) this.#keptCost -= costOf(topic.routes);
    this.#keptCost += costOf(routes);
    if (this.#keptCost > routesKeptMax) {
      for (const other of this.#kept) other.routes = undefined;
      this.#kept.clear();
      this.#keptCost = costOf(routes);
    }
    this.#kept.add(topic);
    topic.routes = routes;
    topic.routesGeneration = this.#generation;
    return routes;
  }

  #resolve(topic: string): Routes {
    const bySession = new Map<Session, Route>();
    const groups: ShareGroup[] = [];
    for (const found of this.#tree.match(topic)) {
      if (found instanceof ShareGroup) {
        groups.push(found);
        continue;
      }
      let route = bySession.get(found.session);
      if (route === undefined) {
        route = new Route(found.session);
        bySession.set(found.session, route);
      }
      route.add(found);
    }
    return { routes: [...bySession.values()], groups };
  }
}

function costOf({ routes, groups }: Routes): number {
  return topicCost + routes.length + groups.length;
}
