// Tells who lost messages because its queue was full: retained, for everybody who looks after the node. The client itself learns it
// when it returns.
import type { Message } from "#shared/system/bus.ts";
import { lossTopic } from "#shared/topics.ts";
import type { Session } from "./session.ts";

export class LossNotices {
  readonly #waiting = new Map<string, Session>();
  /** Clients for which a notice is retained. */
  readonly #told = new Set<string>();

  /** The session has lost so many more. */
  lost(session: Session, messages: number): void {
    session.lost += messages;
    this.#waiting.set(session.clientId, session);
  }

  /** The session has ended: its notice is of no more use. */
  forget(session: Session, publish: (message: Message) => void): void {
    this.#waiting.delete(session.clientId);
    if (!this.#told.delete(session.clientId)) return;
    publish({ topic: lossTopic(session.clientId), payload: new Uint8Array(0), qos: 0, retain: true });
  }

  /** Publishes what has come together. At QoS 0: a notice must not push more out of the very queue that is full. */
  tell(nowMs: number, publish: (message: Message) => void): void {
    if (this.#waiting.size === 0) return;
    const sessions = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { clientId, lost } of sessions) {
      this.#told.add(clientId);
      const notice = { client: clientId, lost, at: new Date(nowMs).toISOString() };
      const payload = new TextEncoder().encode(JSON.stringify(notice));
      publish({ topic: lossTopic(clientId), payload, qos: 0, retain: true });
    }
  }
}
