// Messages that wait in memory for room on the way to one client: a ring, oldest first.
import type { Publication } from "./publication.ts";
import type { ShareGroup } from "./subscription.ts";

export class QueuedDelivery {
  /** The session's number for it when it is stored; 0: only in memory. */
  readonly number: number;
  readonly publication: Publication;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  readonly subscriptionIds: readonly number[];
  readonly group: ShareGroup | undefined;

  constructor(
    number: number,
    publication: Publication,
    qos: 1 | 2,
    retain: boolean,
    subscriptionIds: readonly number[],
    group: ShareGroup | undefined,
  ) {
    this.number = number;
    this.publication = publication;
    this.qos = qos;
    this.retain = retain;
    this.subscriptionIds = subscriptionIds;
    this.group = group;
  }
}

export class DeliveryQueue {
  #items: (QueuedDelivery | undefined)[] = [];
  #head = 0;
  #size = 0;
  bytes = 0;

  get size(): number {
    return this.#size;
  }

  get first(): QueuedDelivery | undefined {
    return this.#items[this.#head];
  }

  push(item: QueuedDelivery): void {
    if (this.#size === this.#items.length) this.#grow();
    this.#items[(this.#head + this.#size) & (this.#items.length - 1)] = item;
    this.#size++;
    this.bytes += item.publication.cost;
  }

  shift(): QueuedDelivery | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#size--;
    this.bytes -= item?.publication.cost ?? 0;
    return item;
  }

  /** Removes everything; answers it. */
  drain(): readonly QueuedDelivery[] {
    const items: QueuedDelivery[] = [];
    for (let item = this.shift(); item !== undefined; item = this.shift()) items.push(item);
    this.#items = [];
    this.#head = 0;
    return items;
  }

  #grow(): void {
    const items: (QueuedDelivery | undefined)[] = Array.from({ length: Math.max(8, this.#items.length * 2) });
    for (let index = 0; index < this.#size; index++) {
      items[index] = this.#items[(this.#head + index) & (this.#items.length - 1)];
    }
    this.#items = items;
    this.#head = 0;
  }
}
