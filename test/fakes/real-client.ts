// MQTT clients that others have written, in one shape: test/process/clients.test.ts holds the node to what each of them expects.
import type { Qos } from "#shared/system/bus.ts";

export interface RealMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
}

export interface RealPublish {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly qos: Qos;
  readonly retain?: boolean;
  /** MQTT 5: seconds. */
  readonly expirySeconds?: number;
}

export interface SubscribeOptions {
  readonly clientId: string;
  readonly filter: string;
  readonly qos: Qos;
  /** A session that outlives the connection: of MQTT 5 for so many seconds. Absent: none. */
  readonly sessionSeconds?: number;
  /** The session is there and so is its subscription: it is not asked for again, where the client can leave that out. */
  readonly resumes?: boolean;
}

export interface RealSubscriber {
  /** In order of arrival. */
  readonly received: readonly RealMessage[];
  /** Resolves when so many have come. */
  until(count: number): Promise<void>;
  /** With a goodbye. */
  leave(): Promise<void>;
  /** Without one. */
  kill(): Promise<void>;
}

export interface ClientKind {
  readonly name: string;
  readonly version: 4 | 5;
  /** That it can do. */
  readonly qosMax: Qos;
  /** Its goodbye asks for the will (MQTT 5, reason code 0x04). */
  readonly leavesWithWill: boolean;
  /** Resolves when the message is acknowledged, or has left at QoS 0. */
  publish(port: number, message: RealPublish): Promise<void>;
  /** Resolves when the subscription is confirmed, or the session is taken up. */
  subscribe(port: number, options: SubscribeOptions): Promise<RealSubscriber>;
  /** Resolves when it is connected; it subscribes to something nobody publishes on. */
  connectWithWill(port: number, clientId: string, will: RealPublish): Promise<RealSubscriber>;
}

const arrivalMsMax = 60_000;

/** What has arrived, and who waits for more. */
export class Arrivals {
  readonly received: RealMessage[] = [];
  readonly #waiting: { readonly count: number; readonly wake: () => void }[] = [];

  take(message: RealMessage): void {
    this.received.push(message);
    for (const { count, wake } of this.#waiting) if (this.received.length >= count) wake();
  }

  async until(count: number): Promise<void> {
    if (this.received.length >= count) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ count, wake: resolve });
    const timer = setTimeout(
      () => reject(new Error(`${this.received.length} of ${count} messages in ${arrivalMsMax} ms`)),
      arrivalMsMax,
    );
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
  }
}
