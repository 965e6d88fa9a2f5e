// All sessions by client identifier: begun, taken over, kept while their client is away, ended when their time is over.
import { limits } from "#shared/limits.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { LoadedSession, SessionStore } from "#shared/system/session-store.ts";
import { OutgoingWindow } from "#shared/mqtt/outgoing-window.ts";
import type { IntervalSet } from "#shared/journal/interval-set.ts";
import type { Authorizer, ClientInfo } from "./broker.ts";
import type { Delivery } from "./delivery.ts";
import { EndingSessions } from "./ending-sessions.ts";
import type { Router } from "./router.ts";
import { neverExpires, sendMaxOf, Session } from "./session.ts";
import { Subscription } from "./subscription.ts";

export interface SessionsDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly router: Router;
  readonly delivery: Delivery;
  readonly store: SessionStore;
  /** The session ends: a will that waits for that is due. */
  onEnd(session: Session): void;
}

export class Sessions {
  readonly #deps: SessionsDeps;
  readonly #byClientId = new Map<string, Session>();
  readonly #ending: EndingSessions;
  #nextStoreId = 1;
  #durable = 0;

  constructor(deps: SessionsDeps) {
    this.#deps = deps;
    this.#ending = new EndingSessions(deps);
  }

  /** Sessions that outlive their connection. */
  get durable(): number {
    return this.#durable;
  }

  /** Whether `sweep` has something to look at. */
  get needsSweep(): boolean {
    return this.#durable > 0 || this.#ending.size > 0;
  }

  get(clientId: string): Session | undefined {
    return this.#byClientId.get(clientId);
  }

  all(): IterableIterator<Session> {
    return this.#byClientId.values();
  }

  /**
   * Takes up what is stored; a session whose time was over while nobody looked ends at the next `sweep`. One whose connection a crash
   * has cut is stored as away since now, or every further crash would give its client the whole time again.
   */
  async load(): Promise<void> {
    const nowMs = this.#deps.clock.now();
    const ended: Session[] = [];
    for (const stored of await this.#deps.store.sessions()) {
      const session = restored(stored, nowMs);
      this.#nextStoreId = Math.max(this.#nextStoreId, stored.id + 1);
      if (stored.expirySeconds === 0) {
        session.hasEnded = true;
        ended.push(session);
        continue;
      }
      this.#add(session);
      for (const subscription of stored.subscriptions) {
        const group = this.#deps.router.groupOf(subscription.filter);
        this.subscribe(new Subscription(session, subscription, group));
      }
      if (stored.disconnectedAtMs === 0) {
        this.put(session);
        // What may have been sent counts as sent from now on: the row does not tell of the crash any more.
        const { batch } = this.#deps.delivery;
        batch.change({ type: "progress", session: session.storeId, progress: session.progress() });
      }
    }
    for (const session of ended) this.#ending.add(session); // all who may get something of it are here
  }

  /** A new session; with an expiry it is stored. The caller has ended any older one of that client. Undefined: there are too many. */
  begin(clientId: string, expirySeconds: number, owner: string): Session | undefined {
    const isDurable = expirySeconds > 0;
    if (isDurable && this.#durable >= limits.sessions && !this.#makeRoom()) return undefined;
    const session = new Session(clientId, isDurable ? this.#nextStoreId++ : 0, expirySeconds, owner);
    this.#add(session);
    return session;
  }

  /** Stores the session's row, if it is stored at all. */
  put({ storeId, clientId, expirySeconds, disconnectedAtMs, owner, lost, hasEnded }: Session): void {
    if (storeId === 0 || hasEnded) return;
    const row = { id: storeId, clientId, expirySeconds, disconnectedAtMs, owner, lost };
    this.#deps.delivery.batch.change({ type: "put", session: row });
  }

  end(session: Session): void {
    if (session.hasEnded) return;
    session.hasEnded = true;
    this.#byClientId.delete(session.clientId);
    for (const subscription of session.subscriptions.values()) this.#deps.router.remove(subscription);
    session.subscriptions.clear();
    session.backfills.length = 0;
    if (session.isDurable) {
      this.#durable--;
      this.#deps.delivery.forget(session);
      session.queue.drain();
      this.#ending.add(session);
    } else this.#deps.delivery.redistribute(session);
    this.#deps.onEnd(session);
  }

  /** Adds it to the routing; an older one with the same filter is replaced. */
  subscribe(subscription: Subscription): void {
    const { session, filter } = subscription;
    const old = session.subscriptions.get(filter);
    if (old !== undefined) this.#deps.router.remove(old);
    session.subscriptions.set(filter, subscription);
    this.#deps.router.add(subscription);
  }

  /** False: there was none. */
  unsubscribe(session: Session, filter: string): boolean {
    const subscription = session.subscriptions.get(filter);
    if (subscription === undefined) return false;
    session.subscriptions.delete(filter);
    session.dropBackfill(filter);
    this.#deps.router.remove(subscription);
    if (session.isDurable) this.#deps.delivery.batch.change({ type: "unsubscribe", session: session.storeId, filter });
    return true;
  }

  /** Drops the subscriptions that its client may not hold (any more). */
  recheck(session: Session, info: ClientInfo, authorizer: Pick<Authorizer, "subscribe">): void {
    for (const { filter, group } of session.subscriptions.values()) {
      if (!authorizer.subscribe(info, group?.filter ?? filter)) this.unsubscribe(session, filter);
    }
  }

  /** Ends every session whose client has been away for too long. */
  sweep(): void {
    this.#ending.sweep();
    const nowMs = this.#deps.clock.now();
    for (const session of this.#byClientId.values()) {
      const { connection, expirySeconds, disconnectedAtMs } = session;
      if (connection !== undefined || expirySeconds === neverExpires) continue;
      if (disconnectedAtMs + expirySeconds * 1000 <= nowMs) this.end(session);
    }
  }

  #add(session: Session): void {
    this.#byClientId.set(session.clientId, session);
    if (session.isDurable) this.#durable++;
    this.#deps.delivery.know(session);
  }

  /** The session goes whose client has been away for longest, among those for which nothing waits. False: there is none. */
  #makeRoom(): boolean {
    let longest: Session | undefined;
    for (const session of this.#byClientId.values()) {
      if (session.connection !== undefined || !session.isDurable || session.last > session.window.cursor) continue;
      if (longest === undefined || session.disconnectedAtMs < longest.disconnectedAtMs) longest = session;
    }
    if (longest !== undefined) this.end(longest);
    return longest !== undefined;
  }
}

function restored(stored: LoadedSession, nowMs: number): Session {
  const { progress } = stored;
  const session = new Session(stored.clientId, stored.id, stored.expirySeconds, stored.owner);
  session.lost = stored.lost;
  session.disconnectedAtMs = stored.disconnectedAtMs === 0 ? nowMs : stored.disconnectedAtMs;
  session.window = new OutgoingWindow(progress.cursor);
  // A crash leaves no trace of what was sent last: as many as may be on their way count as sent.
  session.sendMax = sendMaxOf(progress);
  session.certainlySent = progress.sent;
  const mayBeSent = stored.disconnectedAtMs === 0 ? session.sendMax : progress.sent;
  const released = new Set(progress.released);
  session.window.restore(Math.min(mayBeSent, stored.last), membership(progress.done), (number) => released.has(number));
  session.last = stored.last;
  session.mayHoldShared = true; // nobody knows
  session.committed = stored.last;
  for (const packetId of stored.received) session.incoming.set(packetId, null);
  return session;
}

/** Whether a number is in the set, asked with ascending numbers: all of them together walk it once. */
function membership(set: IntervalSet): (number: number) => boolean {
  let at = 0;
  return (number) => {
    let range = set[at];
    while (range !== undefined && range[1] < number) range = set[++at];
    return range !== undefined && range[0] <= number;
  };
}
