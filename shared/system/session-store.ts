// What an MQTT broker keeps beyond the end of its process: sessions, what waits for them, and retained messages. One batch of changes
// is one part of one group commit; what is asked for in the same commit by others (the journal) is on disk with it or not at all.
//
// Numbers: every message that a session shall get at QoS 1 or 2 takes the session's next number, 1, 2, 3 …. The packet identifier
// on the wire follows from it, so that it is the same after a restart without being stored.
import type { IntervalSet } from "../journal/interval-set.ts";
import type { Qos } from "./bus.ts";

/** A message as it is stored, once for all sessions that wait for it. */
export interface SpooledMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** At which it was published. */
  readonly qos: Qos;
  /** Encoded MQTT 5 properties that are forwarded as they are, without their length; empty when there are none. */
  readonly properties: Uint8Array;
  /** Milliseconds since 1970 after which nobody may get it; 0: never. */
  readonly expiresAtMs: number;
}

/** A message in the queue of one session. */
export interface QueuedMessage {
  readonly number: number;
  readonly message: SpooledMessage;
  /** At which it is delivered. */
  readonly qos: 1 | 2;
  /** The RETAIN flag of the delivery. */
  readonly retain: boolean;
  readonly subscriptionIds: readonly number[];
  /** The filter of the shared subscription that it came by, `$share/<name>/<filter>`; absent for any other. */
  readonly group?: string;
}

export interface StoredSubscription {
  readonly filter: string;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
  /** 0: none. */
  readonly subscriptionId: number;
}

/** What the session's client has confirmed. */
export interface SessionProgress {
  /** Every number up to this one is done with: acknowledged, expired or dropped. */
  readonly cursor: number;
  /** Numbers above the cursor that are done with. */
  readonly done: IntervalSet;
  /** QoS 2 numbers that the client has received (PUBREC) and not completed (PUBCOMP), ascending. */
  readonly released: readonly number[];
  /** The highest number that has been sent to the client. */
  readonly sent: number;
}

export interface StoredSession {
  /** Never given twice. */
  readonly id: number;
  readonly clientId: string;
  /** MQTT's session expiry interval in seconds; 0xffffffff: never; 0: it ends with its connection, or has ended. */
  readonly expirySeconds: number;
  /** When its connection ended, milliseconds since 1970; 0: it was connected when this was stored. */
  readonly disconnectedAtMs: number;
  /** The user that its client has proved to be; empty: anonymous. */
  readonly owner: string;
  /** Messages that its full queue has lost since its client last heard of it. */
  readonly lost: number;
}

/** A session with everything but its queue, as it is read at the start. */
export interface LoadedSession extends StoredSession {
  readonly subscriptions: readonly StoredSubscription[];
  /** Packet identifiers of QoS 2 messages taken in from the client and not released yet. */
  readonly received: readonly number[];
  readonly progress: SessionProgress;
  /** The highest number ever given. */
  readonly last: number;
}

export type SessionChange =
  /** Makes the session or changes its row. */
  | { readonly type: "put"; readonly session: StoredSession }
  /** Deletes it with everything that belongs to it. */
  | { readonly type: "end"; readonly session: number }
  | { readonly type: "subscribe"; readonly session: number; readonly subscription: StoredSubscription }
  | { readonly type: "unsubscribe"; readonly session: number; readonly filter: string }
  | { readonly type: "progress"; readonly session: number; readonly progress: SessionProgress }
  | { readonly type: "received"; readonly session: number; readonly packetId: number; readonly isPresent: boolean };

/** Messages of one commit that wait for sessions: one body, and per session what of it waits. At most 256 KiB or 1 000 messages, a single one may be larger. */
export interface Spool {
  readonly body: Uint8Array;
  readonly queues: readonly SpoolQueue[];
}

export interface SpoolQueue {
  readonly session: number;
  /** Number of the first entry; the others follow without a gap. */
  readonly first: number;
  readonly count: number;
  /** Of topics, properties, payloads and groups of its entries, for the session's bound. */
  readonly bytes: number;
  /** Encoded entries, see shared/mqtt/spool.ts. */
  readonly entries: Uint8Array;
  /** Numbers up to this one may be on their way to the client: they are not dropped when the queue is full. */
  readonly sent: number;
}

export interface RetainedChange {
  readonly topic: string;
  /** Null: there is none any more. */
  readonly message: SpooledMessage | null;
}

export interface SessionBatch {
  /** Applied in this order, before the spools. */
  readonly changes: readonly SessionChange[];
  /** Entries of sessions that do not exist (any more) are left out. */
  readonly spools: readonly Spool[];
  readonly retained: readonly RetainedChange[];
}

/** What a session lost because its queue was full: its oldest messages, from `first` to `last` without those sent. */
export interface DroppedRange {
  readonly session: number;
  readonly first: number;
  readonly last: number;
  readonly messages: number;
}

export interface BatchOutcome {
  readonly dropped: readonly DroppedRange[];
  /** Over all sessions, after this commit. What is acknowledged leaves with the commit's worth of messages that it came in with. */
  readonly queuedMessages: number;
  readonly queuedBytes: number;
}

/** Asked for at the start of every commit. */
export interface BatchSource {
  /** Undefined when there is nothing to store. */
  collect(): SessionBatch | undefined;
  /** After the commit, once for every batch collected, in order; with the error (a FogbankError) nothing of the batch is stored. */
  settle(outcome: BatchOutcome | { readonly error: unknown }): void;
}

export interface SessionStore {
  /** Every session, in order of their ids. Its cost does not depend on what waits in the queues. */
  sessions(): Promise<readonly LoadedSession[]>;
  /** Retained messages in order of their topics (by UTF-8 bytes), behind `after` ("" for the first page), about `bytesMax` of them; empty at the end. */
  retained(after: string, bytesMax: number): Promise<readonly RetainedChange[]>;
  /** What waits for the session from number `from` on, in order: at least one if there is one, then up to about `bytesMax`. Sees every batch that has settled. */
  queue(session: number, from: number, bytesMax: number): Promise<readonly QueuedMessage[]>;
  /** Once, before the first `wake`. */
  contribute(source: BatchSource): void;
  /** The source has something to store: commit soon. */
  wake(): void;
}
