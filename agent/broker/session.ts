// What the broker knows of one client beyond its connection: subscriptions, what waits for it, what it has not confirmed.
import { OutgoingWindow, windowSpanMax } from "#shared/mqtt/outgoing-window.ts";
import type { Will } from "#shared/mqtt/connect-packet.ts";
import type { SessionProgress } from "#shared/system/session-store.ts";
import type { IntervalSet } from "#shared/journal/interval-set.ts";
import { limits } from "#shared/limits.ts";
import type { ClientInfo } from "./broker.ts";
import type { Connection } from "./connection.ts";
import { DeliveryQueue, type QueuedDelivery } from "./delivery-queue.ts";
import type { PendingAcknowledgement } from "./pending-acknowledgement.ts";
import type { Publication } from "./publication.ts";
import type { Subscription } from "./subscription.ts";

/** MQTT's session expiry interval that means "never". */
export const neverExpires = 0xffff_ffff;

/** Retained messages on their way to a new subscription; taken as there is room. */
export interface Backfill {
  /** Undefined: a good moment for a rest. */
  readonly messages: Iterator<Publication | undefined>;
  readonly subscription: Subscription;
}

/** A will whose connection has ended, until its delay is over. */
export interface DelayedWill {
  readonly will: Will;
  readonly info: ClientInfo;
  /** Monotonic milliseconds. */
  readonly dueMs: number;
}

export class Session {
  readonly clientId: string;
  /** Its number in the store; 0: it ends with its connection, and nothing of it is stored. */
  readonly storeId: number;
  /** The user that its client has proved to be; empty: anonymous. */
  owner: string;
  expirySeconds: number;
  /** Milliseconds since 1970; 0 while it is connected. */
  disconnectedAtMs = 0;
  connection: Connection | undefined;
  readonly subscriptions = new Map<string, Subscription>();
  window: OutgoingWindow;
  readonly queue = new DeliveryQueue();
  /** QoS 2 messages taken in and not released yet; with what is still undecided. */
  readonly incoming = new Map<number, PendingAcknowledgement | null>();
  /** By packet identifier: what another member of the group gets if this session ends first. */
  readonly sharedInFlight = new Map<number, QueuedDelivery>();
  readonly backfills: Backfill[] = [];
  delayedWill: DelayedWill | undefined;
  hasEnded = false;
  /** Of a stored session: messages of shared subscriptions may wait for it. */
  mayHoldShared = false;
  /** Messages that its full queue has lost since its client last heard of it. */
  lost = 0;

  // Of a stored session: the highest number given, on disk, in memory, and looked at on this connection.
  last = 0;
  committed = 0;
  loaded = 0;
  handled = 0;
  /** Numbers above it may have been sent before a crash, or not. */
  certainlySent = 0;
  /** Numbers above this one may not go out before newer progress is stored: after a crash nobody would know that they had. */
  sendMax = sendMaxOf({ cursor: 0, sent: 0 });
  isReading = false;
  /** Changes with every connection: an answer from the store to an earlier one is of no more use. */
  readToken = 0;

  constructor(clientId: string, storeId: number, expirySeconds: number, owner: string) {
    this.clientId = clientId;
    this.storeId = storeId;
    this.owner = owner;
    this.expirySeconds = expirySeconds;
    this.window = new OutgoingWindow();
  }

  get isDurable(): boolean {
    return this.storeId > 0;
  }

  /** Whether one message more may go to its client at QoS 1 or 2. */
  hasRoom(): boolean {
    const { connection } = this;
    return (
      connection?.isOpen === true &&
      this.window.hasRoom(connection.receiveMaximum, limits.unacknowledgedBytes) &&
      connection.outlet.pendingBytes < limits.writeQueueBytes
    );
  }

  /** A connection begins: what the last one did not confirm is read from the store again. */
  rewind(): void {
    this.readToken++;
    this.isReading = false;
    this.queue.drain();
    this.loaded = this.window.cursor;
    this.handled = this.window.cursor;
  }

  /** Retained messages are not wanted for that subscription any more. */
  dropBackfill(filter: string): void {
    const at = this.backfills.findIndex(({ subscription }) => subscription.filter === filter);
    if (at >= 0) this.backfills.splice(at, 1);
  }

  progress(): SessionProgress {
    const { done, released } = this.window.progress();
    return { cursor: this.window.cursor, done: rangesOf(done), released, sent: this.window.next - 1 };
  }
}

/** Of ascending numbers, in one pass: a client may leave a gap at every other one. */
function rangesOf(numbers: readonly number[]): IntervalSet {
  const ranges: [first: number, last: number][] = [];
  let newest: [first: number, last: number] | undefined;
  for (const number of numbers) {
    if (newest?.[1] === number - 1) newest[1] = number;
    else ranges.push((newest = [number, number]));
  }
  return ranges;
}

/** Up to where a session that is loaded with that progress counts as sent: as many as fit into one window behind it. */
export function sendMaxOf({ cursor, sent }: Pick<SessionProgress, "cursor" | "sent">): number {
  return Math.min(sent + limits.inflightMessages, cursor + windowSpanMax);
}
