// What is to be stored with the next commit: changes of sessions, messages for those that outlive their connection, retained messages;
// and who waits for it. One batch fills up while the one before it is written.
import { FogbankError } from "#shared/errors.ts";
import { SpoolBuilder } from "#shared/mqtt/spool.ts";
import type { StoreWaiter } from "#shared/system/bus.ts";
import type {
  BatchOutcome,
  BatchSource,
  DroppedRange,
  RetainedChange,
  SessionBatch,
  SessionChange,
  SessionProgress,
  SessionStore,
} from "#shared/system/session-store.ts";
import { QueuedDelivery } from "./delivery-queue.ts";
import type { Publication } from "./publication.ts";
import type { Session } from "./session.ts";

/** What happens when a commit has ended well. */
export interface BatchEvents {
  /** The session's messages up to `number` are stored; `deliveries`: those of them that are in memory, in order. */
  stored(session: Session, number: number, deliveries: readonly QueuedDelivery[]): void;
  /** The session's progress as of `collect` is stored. */
  progressed(session: Session, progress: SessionProgress): void;
  dropped(range: DroppedRange): void;
}

interface Queued {
  last: number;
  readonly deliveries: QueuedDelivery[];
}

class Gathering {
  readonly changes: SessionChange[] = [];
  readonly spools = new SpoolBuilder();
  readonly queued = new Map<Session, Queued>();
  readonly retained = new Map<string, RetainedChange>();
  /** Wait for a message that is stored, and for anything else. */
  readonly messageWaiters: StoreWaiter[] = [];
  readonly waiters: StoreWaiter[] = [];
  /** With the progress that is being stored, once it is. */
  readonly moved = new Map<Session, SessionProgress | undefined>();

  get isEmpty(): boolean {
    return (
      this.changes.length === 0 &&
      this.queued.size === 0 &&
      this.retained.size === 0 &&
      this.moved.size === 0 &&
      this.messageWaiters.length === 0 &&
      this.waiters.length === 0
    );
  }
}

export class DurableBatch implements BatchSource {
  readonly #store: SessionStore;
  readonly #events: BatchEvents;
  #open = new Gathering();
  /** Changes of a batch that failed because of its messages: they go alone, before anything else. */
  #again: Gathering | undefined;
  readonly #writing: Gathering[] = [];
  /** As of the last commit. */
  queuedMessages = 0;
  queuedBytes = 0;
  /** The message that was added to the spool last. */
  #spooled: Publication | undefined;

  constructor(store: SessionStore, events: BatchEvents) {
    this.#store = store;
    this.#events = events;
    store.contribute(this);
  }

  change(change: SessionChange): void {
    this.#open.changes.push(change);
    this.#store.wake();
  }

  /** The session's progress goes with the next commit, whoever causes it: repeating an acknowledged message is allowed. */
  moved(session: Session): void {
    this.#open.moved.set(session, undefined);
  }

  /** Commits what `moved` has gathered. */
  wake(): void {
    if (this.#again !== undefined || !this.#open.isEmpty) this.#store.wake();
  }

  /** Tells `waiter` when the changes made so far are stored. */
  wait(waiter: StoreWaiter): void {
    this.#open.waiters.push(waiter);
    this.#store.wake();
  }

  /** Tells `waiter` when the messages added so far are stored. */
  waitForMessages(waiter: StoreWaiter): void {
    this.#open.messageWaiters.push(waiter);
    this.#store.wake();
  }

  retain(change: RetainedChange): void {
    this.#open.retained.set(change.topic, change);
    this.#store.wake();
  }

  /** The next message of a stored session, by a shared subscription if `group` names one. Stored once, however many get it one after the other. */
  enqueue(
    session: Session,
    publication: Publication,
    qos: 1 | 2,
    retain: boolean,
    subscriptionIds: readonly number[],
    group?: string,
  ): void {
    const gathering = this.#open;
    if (this.#spooled !== publication) {
      this.#spooled = publication;
      gathering.spools.add(publication);
    }
    const number = ++session.last;
    const sent = session.window.next - 1;
    gathering.spools.enqueue(session.storeId, number, qos, retain, subscriptionIds, sent, group);
    if (group !== undefined) session.mayHoldShared = true;
    let queued = gathering.queued.get(session);
    if (queued === undefined) {
      queued = { last: number, deliveries: [] };
      gathering.queued.set(session, queued);
    }
    queued.last = number;
    if (session.connection !== undefined) {
      const copy = publication.detached();
      queued.deliveries.push(new QueuedDelivery(number, copy, qos, retain, subscriptionIds, undefined));
    }
    this.#store.wake();
  }

  collect(): SessionBatch | undefined {
    const gathering = this.#again ?? this.#open;
    if (gathering.isEmpty) return undefined;
    if (this.#again === undefined) {
      this.#open = new Gathering();
      this.#spooled = undefined;
    } else {
      this.#again = undefined;
      if (!this.#open.isEmpty) this.#store.wake();
    }
    this.#writing.push(gathering);
    for (const session of gathering.moved.keys()) {
      if (session.hasEnded) continue;
      const progress = session.progress();
      gathering.moved.set(session, progress);
      gathering.changes.push({ type: "progress", session: session.storeId, progress });
    }
    return {
      changes: gathering.changes,
      spools: gathering.spools.finish(),
      retained: [...gathering.retained.values()],
    };
  }

  settle(outcome: BatchOutcome | { readonly error: unknown }): void {
    const gathering = this.#writing.shift();
    if (gathering === undefined) throw new Error("assertion failed: a batch that settles was collected");
    if ("error" in outcome) {
      this.#failed(gathering, asFogbankError(outcome.error));
      return;
    }
    this.queuedMessages = outcome.queuedMessages;
    this.queuedBytes = outcome.queuedBytes;
    for (const waiter of gathering.messageWaiters) waiter.stored(null);
    for (const waiter of gathering.waiters) waiter.stored(null);
    for (const range of outcome.dropped) this.#events.dropped(range);
    for (const [session, progress] of gathering.moved)
      if (progress !== undefined) this.#events.progressed(session, progress);
    for (const [session, { last, deliveries }] of gathering.queued) this.#events.stored(session, last, deliveries);
  }

  /** A full store takes no messages, but changes without them. What fails without messages is kept for a better time. */
  #failed(gathering: Gathering, error: FogbankError): void {
    const hadMessages = gathering.queued.size > 0 || gathering.retained.size > 0;
    const again = new Gathering();
    for (const change of gathering.changes) if (change.type !== "progress") again.changes.push(change);
    for (const session of gathering.moved.keys()) again.moved.set(session, undefined);
    if (hadMessages) again.waiters.push(...gathering.waiters);
    if (!again.isEmpty) this.#again = this.#again === undefined ? again : joined(this.#again, again);
    for (const waiter of gathering.messageWaiters) waiter.stored(error);
    if (hadMessages) this.#store.wake();
    else for (const waiter of gathering.waiters) waiter.stored(error);
  }
}

function joined(first: Gathering, second: Gathering): Gathering {
  for (const change of second.changes) first.changes.push(change);
  for (const session of second.moved.keys()) first.moved.set(session, undefined);
  for (const waiter of second.waiters) first.waiters.push(waiter);
  return first;
}

function asFogbankError(error: unknown): FogbankError {
  if (error instanceof FogbankError) return error;
  return new FogbankError("FOGBANK_STORE_FAILED", error instanceof Error ? error.message : String(error), {
    cause: error,
  });
}
