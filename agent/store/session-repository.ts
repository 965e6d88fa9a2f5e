// Sessions of MQTT clients: their rows, subscriptions and taken packet identifiers, and what a batch of the broker changes in them,
// their queues and the retained messages. Runs inside the transaction that the caller opens.
import type { DatabaseSync } from "node:sqlite";
import type { Qos } from "#shared/system/bus.ts";
import type {
  BatchOutcome,
  LoadedSession,
  QueuedMessage,
  SessionBatch,
  SessionChange,
  SessionProgress,
  StoredSession,
  StoredSubscription,
} from "#shared/system/session-store.ts";
import { packNumbers, packRanges, unpackNumbers, unpackRanges } from "./packed-ranges.ts";
import { QueueRepository, type QueueBound } from "./queue-repository.ts";
import { RetainedRepository, type EncodedRetained } from "./retained-repository.ts";

/** A batch on its way to the database. */
export interface EncodedBatch extends Omit<SessionBatch, "retained"> {
  readonly retained: readonly EncodedRetained[];
}

/** What became of it there. */
export interface StoredOutcome extends BatchOutcome {
  /** There are bodies that could be smaller. */
  readonly isSparse: boolean;
}

/** Whether the batch needs room; what only changes sessions must go on when there is none. */
export function bringsMessages({ spools, retained }: EncodedBatch): boolean {
  return spools.length > 0 || retained.some(({ message }) => message !== null);
}

export class SessionRepository {
  readonly #queues: QueueRepository;
  readonly #retained: RetainedRepository;
  readonly #statements;

  constructor(database: DatabaseSync, bound: QueueBound) {
    this.#queues = new QueueRepository(database, bound);
    this.#retained = new RetainedRepository(database);
    this.#statements = prepareStatements(database);
  }

  /** Must be called when a transaction was rolled back. */
  rolledBack(): void {
    this.#queues.rolledBack();
  }

  apply({ changes, spools, retained }: EncodedBatch): StoredOutcome {
    for (const change of changes) this.#change(change);
    this.#queues.deleteSpools();
    const dropped = this.#queues.add(spools);
    for (const change of retained) this.#retained.put(change);
    return { dropped, ...this.#queues.totals(), isSparse: this.#queues.thinOut(spools) };
  }

  /** Makes bodies smaller, a bounded number of them. True: there are more. */
  thinOut(): boolean {
    return this.#queues.thinOut([]);
  }

  /** Every session in order of the ids. Does not look at the queues. */
  list(): readonly LoadedSession[] {
    const subscriptions = Map.groupBy(this.#statements.subscriptions.all(), (row) => Number(row["session"]));
    const received = Map.groupBy(this.#statements.received.all(), (row) => Number(row["session"]));
    return this.#statements.sessions.all().map((row) => {
      const id = Number(row["id"]);
      return {
        id,
        clientId: String(row["clientId"]),
        expirySeconds: Number(row["expirySeconds"]),
        disconnectedAtMs: Number(row["disconnectedMs"]),
        owner: String(row["owner"]),
        lost: Number(row["lost"]),
        subscriptions: (subscriptions.get(id) ?? []).map(storedSubscription),
        received: (received.get(id) ?? []).map((taken) => Number(taken["packetId"])),
        progress: {
          cursor: Number(row["cursor"]),
          done: unpackRanges(row["done"]),
          released: unpackNumbers(row["released"]),
          sent: Number(row["sent"]),
        },
        last: Number(row["last"]),
      };
    });
  }

  queue(session: number, from: number, bytesMax: number): readonly QueuedMessage[] {
    return this.#queues.read(session, from, bytesMax);
  }

  retained(after: string, bytesMax: number): readonly EncodedRetained[] {
    return this.#retained.page(after, bytesMax);
  }

  #change(change: SessionChange): void {
    switch (change.type) {
      case "put":
        this.#put(change.session);
        return;
      case "end":
        this.#end(change.session);
        return;
      case "subscribe":
        this.#subscribe(change.session, change.subscription);
        return;
      case "unsubscribe":
        this.#statements.unsubscribe.run(change.session, change.filter);
        return;
      case "progress":
        this.#progress(change.session, change.progress);
        return;
      case "received":
        if (change.isPresent) this.#statements.receive.run(change.packetId, change.session);
        else this.#statements.forgetReceived.run(change.session, change.packetId);
        return;
    }
  }

  #put({ id, clientId, expirySeconds, disconnectedAtMs, owner, lost }: StoredSession): void {
    const row = [id, clientId, expirySeconds, disconnectedAtMs, owner, lost];
    this.#statements.put.run(...row, nothingDone, nothingReleased);
  }

  #end(session: number): void {
    this.#queues.clear(session);
    this.#statements.endSubscriptions.run(session);
    this.#statements.endReceived.run(session);
    this.#statements.end.run(session);
  }

  #subscribe(session: number, subscription: StoredSubscription): void {
    const { filter, qos, noLocal, retainAsPublished, retainHandling, subscriptionId } = subscription;
    const flags = [noLocal ? 1 : 0, retainAsPublished ? 1 : 0, retainHandling] as const;
    this.#statements.subscribe.run(filter, qos, ...flags, subscriptionId, session);
  }

  #progress(session: number, { cursor, done, released, sent }: SessionProgress): void {
    this.#statements.progress.run(cursor, packRanges(done), packNumbers(released), sent, session);
    this.#queues.release(session, cursor);
  }
}

const nothingDone = packRanges([]);
const nothingReleased = packNumbers([]);

function prepareStatements(database: DatabaseSync) {
  return {
    sessions: database.prepare(
      `SELECT id, client_id AS clientId, expiry_seconds AS expirySeconds, disconnected_ms AS disconnectedMs, owner, lost,
         cursor, done, released, sent, last FROM session ORDER BY id`,
    ),
    subscriptions: database.prepare(
      `SELECT session, filter, qos, no_local AS noLocal, retain_as_published AS retainAsPublished,
         retain_handling AS retainHandling, subscription_id AS subscriptionId FROM subscription ORDER BY session, filter`,
    ),
    received: database.prepare("SELECT session, packet_id AS packetId FROM received ORDER BY session, packet_id"),
    put: database.prepare(
      `INSERT INTO session(id, client_id, expiry_seconds, disconnected_ms, owner, lost, cursor, done, released, sent, last, queued, queued_bytes)
       VALUES(?, ?, ?, ?, ?, ?, 0, ?, ?, 0, 0, 0, 0)
       ON CONFLICT(id) DO UPDATE SET client_id = excluded.client_id, expiry_seconds = excluded.expiry_seconds,
         disconnected_ms = excluded.disconnected_ms, owner = excluded.owner, lost = excluded.lost`,
    ),
    end: database.prepare("DELETE FROM session WHERE id = ?"),
    endSubscriptions: database.prepare("DELETE FROM subscription WHERE session = ?"),
    endReceived: database.prepare("DELETE FROM received WHERE session = ?"),
    // What belongs to a session is taken from its row, so that nothing is kept for one that has ended.
    subscribe: database.prepare(
      `INSERT INTO subscription(session, filter, qos, no_local, retain_as_published, retain_handling, subscription_id)
       SELECT id, ?, ?, ?, ?, ?, ? FROM session WHERE id = ?
       ON CONFLICT(session, filter) DO UPDATE SET qos = excluded.qos, no_local = excluded.no_local,
         retain_as_published = excluded.retain_as_published, retain_handling = excluded.retain_handling,
         subscription_id = excluded.subscription_id`,
    ),
    unsubscribe: database.prepare("DELETE FROM subscription WHERE session = ? AND filter = ?"),
    receive: database.prepare(
      "INSERT INTO received(session, packet_id) SELECT id, ? FROM session WHERE id = ? ON CONFLICT DO NOTHING",
    ),
    forgetReceived: database.prepare("DELETE FROM received WHERE session = ? AND packet_id = ?"),
    progress: database.prepare("UPDATE session SET cursor = ?, done = ?, released = ?, sent = ? WHERE id = ?"),
  };
}

function storedSubscription(row: Record<string, unknown>): StoredSubscription {
  return {
    filter: String(row["filter"]),
    qos: Number(row["qos"]) as Qos, // written from one
    noLocal: row["noLocal"] === 1,
    retainAsPublished: row["retainAsPublished"] === 1,
    retainHandling: Number(row["retainHandling"]) as StoredSubscription["retainHandling"], // the same
    subscriptionId: Number(row["subscriptionId"]),
  };
}
