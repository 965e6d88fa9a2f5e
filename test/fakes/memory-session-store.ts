// A SessionStore in memory: small, obviously right, and held to the same contract as the one on disk. What a commit stores is there
// after a microtask; it keeps the rows of the queues apart, because what is acknowledged leaves with its row.
import type { QueueBound } from "#agent/store/queue-repository.ts";
import { FogbankError } from "#shared/errors.ts";
import { addInterval, coversInterval, missingFrom, type IntervalSet } from "#shared/journal/interval-set.ts";
import { limits } from "#shared/limits.ts";
import { decodeEntries, decodeSpooled, encodeSpooled } from "#shared/mqtt/spool.ts";
import type {
  BatchOutcome,
  BatchSource,
  DroppedRange,
  QueuedMessage,
  SessionBatch,
  SessionChange,
  SessionProgress,
  SessionStore,
  Spool,
  SpooledMessage,
  SpoolQueue,
  StoredSession,
  StoredSubscription,
} from "#shared/system/session-store.ts";

export interface MemorySessionStore extends SessionStore {
  /** The next commit stores nothing and settles with `error`; FOGBANK_STORE_FAILED when absent. */
  failNext(error?: FogbankError): void;
  /** What a broker finds that starts on what is stored here. */
  reopen(): MemorySessionStore;
  /** Bytes of the messages that somebody waits for, in a row that has not left; those of one spool that several wait for once. */
  spoolBytes(): number;
}

/** A queued message with what it costs. */
interface Waiting extends QueuedMessage {
  readonly bytes: number;
}

interface MemorySession {
  stored: StoredSession;
  readonly subscriptions: Map<string, StoredSubscription>;
  readonly received: Set<number>;
  progress: SessionProgress;
  last: number;
  rows: (readonly Waiting[])[];
}

interface Content {
  readonly sessions: Map<number, MemorySession>;
  readonly retained: Map<string, SpooledMessage>;
}

/** `bound`: of each session's queue. */
export function createMemorySessionStore(
  bound: QueueBound = { messages: limits.storedQueueMessages, bytes: limits.storedQueueBytes },
): MemorySessionStore {
  const content: Content = { sessions: new Map(), retained: new Map() };
  return openOn(content, bound);
}

function openOn(content: Content, bound: QueueBound): MemorySessionStore {
  const { sessions, retained } = content;
  let source: BatchSource | undefined;
  let isCommitting = false;
  let failure: FogbankError | undefined;

  return {
    async sessions() {
      return [...sessions.values()]
        .toSorted((a, b) => a.stored.id - b.stored.id)
        .map(({ stored, subscriptions, received, progress, last }) => ({
          ...stored,
          subscriptions: [...subscriptions.values()].toSorted((a, b) => compareUtf8(a.filter, b.filter)),
          received: [...received].toSorted((a, b) => a - b),
          progress,
          last,
        }));
    },
    async retained(after, bytesMax) {
      const behind = [...retained].filter(([topic]) => compareUtf8(topic, after) > 0);
      const sorted = behind.toSorted(([a], [b]) => compareUtf8(a, b));
      return firstOf(sorted, bytesMax, ([topic, { payload }]) => topic.length + payload.length).map(
        ([topic, message]) => ({ topic, message }),
      );
    },
    async queue(session, from, bytesMax) {
      const found = sessions.get(session);
      if (found === undefined) return [];
      const waiting = found.rows.flat().filter(({ number }) => number >= from && !isDone(found.progress, number));
      return firstOf(waiting, bytesMax, ({ bytes }) => bytes).map(({ bytes: _, ...queued }) => queued);
    },
    contribute(contributor) {
      source = contributor;
    },
    wake() {
      if (isCommitting) return;
      isCommitting = true;
      void commitAll();
    },
    failNext(error = new FogbankError("FOGBANK_STORE_FAILED", "could not write: a test wants it so")) {
      failure = error;
    },
    reopen: () => openOn(content, bound),
    spoolBytes() {
      const messages = new Set([...sessions.values()].flatMap(({ rows }) => rows.flat().map(({ message }) => message)));
      return [...messages].reduce((sum, message) => sum + encodeSpooled(message).length, 0);
    },
  };

  async function commitAll(): Promise<void> {
    for (;;) {
      await Promise.resolve(); // everything of this turn joins, as with the one on disk
      const batch = source?.collect();
      if (batch === undefined) break;
      const error = failure;
      failure = undefined;
      source?.settle(error === undefined ? apply(batch) : { error });
    }
    isCommitting = false;
  }

  function apply(batch: SessionBatch): BatchOutcome {
    for (const change of batch.changes) changeSession(change);
    const grown = new Set(batch.spools.flatMap(addSpool));
    const queues = batch.spools.flatMap((spool) => spool.queues);
    const dropped = [...grown]
      .toSorted((a, b) => a - b)
      .flatMap((id) => cut(id, Math.max(...queues.map(({ session, sent }) => (session === id ? sent : 0)))) ?? []);
    for (const { topic, message } of batch.retained) {
      if (message === null) retained.delete(topic);
      else retained.set(topic, copyOf(message));
    }
    const all = [...sessions.values()].flatMap(({ rows }) => rows.flat());
    return { dropped, queuedMessages: all.length, queuedBytes: sumOf(all) };
  }

  function changeSession(change: SessionChange): void {
    if (change.type === "put") {
      const known = sessions.get(change.session.id);
      if (known === undefined) sessions.set(change.session.id, newSession(change.session));
      else known.stored = change.session;
      return;
    }
    const session = sessions.get(change.session);
    if (session === undefined) return;
    switch (change.type) {
      case "end":
        sessions.delete(change.session);
        return;
      case "subscribe":
        session.subscriptions.set(change.subscription.filter, change.subscription);
        return;
      case "unsubscribe":
        session.subscriptions.delete(change.filter);
        return;
      case "progress":
        session.progress = change.progress;
        session.rows = session.rows.filter((row) => (row.at(-1)?.number ?? 0) > session.progress.cursor);
        return;
      case "received":
        if (change.isPresent) session.received.add(change.packetId);
        else session.received.delete(change.packetId);
        return;
    }
  }

  /** Answers the sessions whose queues have grown. */
  function addSpool(spool: Spool): readonly number[] {
    const messages = new Map<number, SpooledMessage>();
    return spool.queues.flatMap((queue) => {
      const session = sessions.get(queue.session);
      if (session === undefined) return [];
      const last = queue.first + queue.count - 1;
      session.last = Math.max(session.last, last);
      if (last <= session.progress.cursor) return [];
      session.rows.push(waitingOf(queue, spool, messages));
      return [queue.session];
    });
  }

  function cut(id: number, sent: number): DroppedRange | undefined {
    const session = sessions.get(id);
    if (session === undefined) return undefined;
    const { progress } = session;
    const lost: number[] = [];
    const isFull = (all: readonly Waiting[]): boolean => all.length > bound.messages || sumOf(all) > bound.bytes;
    if (isFull(session.rows.flat())) {
      session.rows = session.rows.map((row) => row.filter(({ number }) => number > progress.cursor));
    }
    for (let all = session.rows.flat(); isFull(all); all = session.rows.flat()) {
      const oldest = all.find(({ number }) => number > Math.max(sent, progress.sent, progress.cursor));
      if (oldest === undefined) break;
      const { number } = oldest;
      // The row falls apart: what is before the dropped one and what is behind it.
      session.rows = session.rows.flatMap((row) =>
        row.includes(oldest)
          ? [row.filter((one) => one.number < number), row.filter((one) => one.number > number)]
          : [row],
      );
      session.rows = session.rows.filter((row) => row.length > 0);
      const done: IntervalSet = addInterval(session.progress.done, number, number);
      session.progress = { ...session.progress, done };
      if (missingFrom(progress.done, number, number).length > 0) lost.push(number);
    }
    const [first, last] = [lost[0], lost.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    return { session: id, first, last, messages: lost.length };
  }
}

function newSession(stored: StoredSession): MemorySession {
  const progress = { cursor: 0, done: [], released: [], sent: 0 };
  return { stored, subscriptions: new Map(), received: new Set(), progress, last: 0, rows: [] };
}

function waitingOf(queue: SpoolQueue, spool: Spool, messages: Map<number, SpooledMessage>): readonly Waiting[] {
  const entries = decodeEntries(queue.entries) ?? [];
  return entries.map(({ place, bytes, qos, retain, subscriptionIds, group }, index) => {
    const message = messages.get(place) ?? copyOf(decodeSpooled(spool.body, place));
    messages.set(place, message);
    const number = queue.first + index;
    return { number, message, qos, retain, subscriptionIds, bytes, ...(group !== "" && { group }) };
  });
}

function copyOf(message: SpooledMessage | undefined): SpooledMessage {
  if (message === undefined) throw new Error("a spool has no message where an entry points");
  return { ...message, payload: message.payload.slice(), properties: message.properties.slice() };
}

function isDone({ cursor, done }: SessionProgress, number: number): boolean {
  return number <= cursor || coversInterval(done, number, number);
}

function sumOf(waiting: readonly Waiting[]): number {
  return waiting.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The first, and those behind it that fit into `bytesMax` with it. */
function firstOf<T>(all: readonly T[], bytesMax: number, bytesOf: (one: T) => number): readonly T[] {
  let bytes = 0;
  const end = all.findIndex((one, index) => {
    bytes += bytesOf(one);
    return index > 0 && bytes > bytesMax;
  });
  return end === -1 ? all : all.slice(0, end);
}

/** Code points in order are UTF-8 bytes in order; UTF-16 units are not. */
function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
