// What one client is subscribed to, as far as it has been told; and the requests that have no answer yet. Pure.
import type { Packet } from "mqtt-packet";
import type { FaultLog } from "./fault-log.ts";
import type { Span, SubscriberRecord, Ticker } from "./record.ts";

interface Request {
  readonly kind: "subscribe" | "unsubscribe";
  readonly filter: string;
  readonly span: Span;
  /** 0: to be sent, first or again. */
  packetId: number;
}

export class Subscriptions {
  readonly #record: SubscriberRecord;
  /** What is put before every filter: of a shared subscription `$share/<group>/`, else nothing. */
  readonly #prefix: string;
  readonly #ticker: Ticker;
  readonly #faults: FaultLog;
  readonly #open = new Map<string, Span>();
  #requests: Request[] = [];
  #lastId = 0;

  constructor(record: SubscriberRecord, prefix: string, ticker: Ticker, faults: FaultLog) {
    this.#record = record;
    this.#prefix = prefix;
    this.#ticker = ticker;
    this.#faults = faults;
  }

  /** Nothing was asked for that has no answer. */
  get isSettled(): boolean {
    return this.#requests.length === 0;
  }

  /** The subscription to `filter`, if there is one. */
  spanOf(filter: string): Span | undefined {
    return this.#open.get(filter);
  }

  ask(kind: Request["kind"], filter: string): void {
    let span = this.#open.get(filter);
    if (kind === "subscribe" && span === undefined) {
      span = { filter, askedAt: this.#ticker.next(), heldAt: undefined, releasedAt: undefined, goneAt: undefined };
      this.#open.set(filter, span);
      this.#record.spans.push(span);
    }
    if (span === undefined) return;
    if (kind === "unsubscribe") span.releasedAt ??= this.#ticker.next();
    this.#requests.push({ kind, filter, span, packetId: 0 });
  }

  /** A connection is open: packets for everything that has no answer on it. */
  requests(): readonly Packet[] {
    return this.#requests
      .filter(({ packetId }) => packetId === 0)
      .map((request) => {
        this.#lastId = (this.#lastId % 65_535) + 1;
        request.packetId = this.#lastId;
        const topic = `${this.#prefix}${request.filter}`;
        const messageId = this.#lastId;
        return request.kind === "subscribe"
          ? { cmd: "subscribe", messageId, subscriptions: [{ topic, qos: this.#record.qos }] }
          : { cmd: "unsubscribe", messageId, unsubscriptions: [topic] };
      });
  }

  /** The connection is over: what has no answer is asked again. */
  interrupted(): void {
    for (const request of this.#requests) request.packetId = 0;
  }

  /** There is no session at the broker: what was subscribed to is not any more. */
  lost(): void {
    const at = this.#ticker.next();
    const asked = new Set(this.#requests.map(({ span }) => span));
    for (const [filter, span] of this.#open) {
      if (asked.has(span)) continue;
      span.releasedAt ??= at;
      span.goneAt ??= at;
      this.#open.delete(filter);
    }
  }

  granted(packetId: number, codes: readonly number[]): void {
    const request = this.#answered(packetId, "subscribe");
    if (request === undefined) return;
    if (codes.length !== 1 || codes[0] !== this.#record.qos)
      this.#faults.add("a subscription was not granted", `${this.#record.name} ${request.filter}: ${codes.join()}`);
    request.span.heldAt ??= this.#ticker.next();
  }

  ended(packetId: number): void {
    const request = this.#answered(packetId, "unsubscribe");
    if (request === undefined) return;
    request.span.goneAt = this.#ticker.next();
    this.#open.delete(request.filter);
  }

  #answered(packetId: number, kind: Request["kind"]): Request | undefined {
    const request = this.#requests.find((one) => one.packetId === packetId && one.kind === kind);
    if (request === undefined) this.#faults.add(`an answer to no ${kind}`, `${this.#record.name} ${packetId}`);
    this.#requests = this.#requests.filter((one) => one !== request);
    return request;
  }
}
