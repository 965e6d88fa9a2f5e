// Stored sessions that have ended. What waits for them by shared subscriptions is for the other members of the group, unless its client
// may have it for good: QoS 2 that was sent [MQTT-4.8.2-5]. It is read page by page; each page is given to the others and left behind by
// the session in one commit, and only then the session goes. A node that dies on the way finds it with no expiry, and goes on.
import type { FogbankError } from "#shared/errors.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { QueuedMessage, SessionStore } from "#shared/system/session-store.ts";
import type { Delivery } from "./delivery.ts";
import type { Session } from "./session.ts";

const pageBytes = 256 * 1024;
/** Sweeps for which a page that finds no room in the store is kept: ten minutes. Then it may be the very messages that fill it. */
const attemptsMax = 1_200;

export interface EndingSessionsDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly delivery: Delivery;
  readonly store: SessionStore;
}

export class EndingSessions {
  readonly #deps: EndingSessionsDeps;
  readonly #waiting = new Set<Session>();
  #isRunning = false;
  #swept = Promise.withResolvers<void>();

  constructor(deps: EndingSessionsDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** The session, which is nobody's any more, leaves the store: at once, or when others have what waits for its groups. */
  add(session: Session): void {
    const { batch } = this.#deps.delivery;
    const { storeId, clientId, owner, lost } = session;
    if (!session.mayHoldShared || session.last <= session.window.cursor) {
      batch.change({ type: "end", session: storeId });
      return;
    }
    const disconnectedAtMs = session.disconnectedAtMs === 0 ? this.#deps.clock.now() : session.disconnectedAtMs;
    batch.change({ type: "put", session: { id: storeId, clientId, expirySeconds: 0, disconnectedAtMs, owner, lost } });
    batch.change({ type: "progress", session: storeId, progress: session.progress() });
    this.#waiting.add(session);
    void this.#run();
  }

  /** What found no room in the store is tried again. */
  sweep(): void {
    this.#swept.resolve();
    this.#swept = Promise.withResolvers();
  }

  /** One after the other: a thousand that expire at once are read with the memory of one. */
  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (const session of this.#waiting) {
      try {
        await this.#end(session);
      } catch (error) {
        // It stays in the store, and is tried again when the broker starts.
        this.#deps.log.error({ clientId: session.clientId, error: String(error) }, "an ended session cannot be read");
      }
      this.#waiting.delete(session);
    }
    this.#isRunning = false;
  }

  async #end(session: Session): Promise<void> {
    const { delivery, store } = this.#deps;
    await this.#committed(); // what it was given last is stored now, or never will be
    for (let from = session.window.cursor + 1; ;) {
      const page = await store.queue(session.storeId, from, pageBytes);
      const last = page.at(-1);
      if (last === undefined) break;
      from = last.number + 1;
      const sent = session.window.next - 1;
      const shared = page.filter(({ group, qos, number }) => group !== undefined && (qos === 1 || number > sent));
      if (shared.length > 0) await this.#handOn(session, shared, last.number);
    }
    delivery.batch.change({ type: "end", session: session.storeId });
  }

  /** Gives the messages to others; the session is done with everything up to `last` in the same commit. */
  async #handOn(session: Session, messages: readonly QueuedMessage[], last: number): Promise<void> {
    const { delivery, log } = this.#deps;
    const { window, storeId, clientId } = session;
    const progress = { cursor: last, done: [], released: [], sent: window.next - 1 };
    let left = messages;
    for (let attempt = 1; ; attempt++) {
      left = left.filter((message) => delivery.handOn(message, session));
      delivery.batch.change({ type: "progress", session: storeId, progress });
      const error = await this.#committed();
      if (error === null) return;
      if (attempt === attemptsMax) {
        log.warn({ clientId, messages: left.length, error: error.message }, "messages of an ended session are lost");
        return;
      }
      await this.#swept.promise;
    }
  }

  #committed(): Promise<FogbankError | null> {
    return new Promise((resolve) => this.#deps.delivery.batch.waitForMessages({ stored: resolve }));
  }
}
