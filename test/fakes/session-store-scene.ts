// The broker's side of the SessionStore port, for tests: builds batches, commits them one by one, starts again on the same store.
import type { QueueBound } from "#agent/store/queue-repository.ts";
import { SpoolBuilder } from "#shared/mqtt/spool.ts";
import type {
  BatchOutcome,
  BatchSource,
  QueuedMessage,
  RetainedChange,
  SessionBatch,
  SessionChange,
  SessionProgress,
  SessionStore,
  Spool,
  SpooledMessage,
  StoredSubscription,
} from "#shared/system/session-store.ts";

/** A store with what a test does to it from outside. */
export interface SessionStoreWorld extends AsyncDisposable {
  readonly store: SessionStore;
  /** Ends the store and starts it again on what it has stored; absent where nothing outlives it. */
  reopen?(): Promise<SessionStoreWorld>;
  /** The next commit fails. */
  failNext(): void;
  /** Bytes that are taken now, roughly. */
  usedBytes(): Promise<number>;
}

/** Opens an empty store whose sessions' queues have that bound. */
export type OpenWorld = (bound: QueueBound) => Promise<SessionStoreWorld>;

/** Plays on an empty store and ends it. */
export async function inScene(
  openWorld: OpenWorld,
  bound: QueueBound,
  play: (scene: Scene) => Promise<void>,
): Promise<void> {
  const scene = new Scene(await openWorld(bound));
  try {
    await play(scene);
  } finally {
    await scene.world[Symbol.asyncDispose]();
  }
}

/** Commits batches one by one. */
export class Committer implements BatchSource {
  readonly #store: SessionStore;
  readonly #waiting: SessionBatch[] = [];
  readonly #settled: ((outcome: BatchOutcome | { readonly error: unknown }) => void)[] = [];

  constructor(store: SessionStore) {
    this.#store = store;
    store.contribute(this);
  }

  collect(): SessionBatch | undefined {
    return this.#waiting.shift();
  }

  settle(outcome: BatchOutcome | { readonly error: unknown }): void {
    this.#settled.shift()?.(outcome);
  }

  async commit(batch: Partial<SessionBatch>): Promise<BatchOutcome> {
    const { promise, resolve } = Promise.withResolvers<BatchOutcome | { readonly error: unknown }>();
    this.#settled.push(resolve);
    this.#waiting.push({ changes: [], spools: [], retained: [], ...batch });
    this.#store.wake();
    const outcome = await promise;
    if ("error" in outcome) throw outcome.error;
    return outcome;
  }
}

/** One broker after the other on the same store. */
export class Scene {
  #world: SessionStoreWorld;
  #committer: Committer;

  constructor(world: SessionStoreWorld) {
    this.#world = world;
    this.#committer = new Committer(world.store);
  }

  get store(): SessionStore {
    return this.#world.store;
  }

  get world(): SessionStoreWorld {
    return this.#world;
  }

  commit(batch: Partial<SessionBatch>): Promise<BatchOutcome> {
    return this.#committer.commit(batch);
  }

  change(...changes: readonly SessionChange[]): Promise<BatchOutcome> {
    return this.commit({ changes });
  }

  async restart(): Promise<void> {
    const next = await this.#world.reopen?.();
    if (next === undefined) return;
    this.#world = next;
    this.#committer = new Committer(next.store);
  }

  async numbers(session: number, from = 1, bytesMax = 1e9): Promise<readonly number[]> {
    return (await this.store.queue(session, from, bytesMax)).map(({ number }) => number);
  }
}

export function put(id: number, clientId = `client-${id}`) {
  const session = { id, clientId, expirySeconds: 0xffff_ffff, disconnectedAtMs: 0, owner: "", lost: 0 };
  return { type: "put", session } as const;
}

export function subscribe(session: number, filter: string, parts: Partial<StoredSubscription>): SessionChange {
  const preset = { qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0, subscriptionId: 0 } as const;
  return { type: "subscribe", session, subscription: { filter, ...preset, ...parts } };
}

export function received(session: number, packetId: number, isPresent = true): SessionChange {
  return { type: "received", session, packetId, isPresent };
}

export function progress(session: number, parts: Partial<SessionProgress>): SessionChange {
  return { type: "progress", session, progress: { cursor: 0, done: [], released: [], sent: 0, ...parts } };
}

/** A message of three bytes of topic. */
export function messageOf(payloadBytes: number): SpooledMessage {
  const payload = new Uint8Array(payloadBytes).fill(payloadBytes);
  return { topic: "a/b", payload, qos: 1, properties: new Uint8Array(0), expiresAtMs: 0 };
}

export function retain(topic: string, payloadBytes: number): RetainedChange {
  return { topic, message: { ...messageOf(payloadBytes), topic } };
}

/** `count` messages for one session. */
export function spoolsOf(
  session: number,
  first: number,
  count: number,
  { payloadBytes = 1, sent = 0 }: { readonly payloadBytes?: number; readonly sent?: number } = {},
): readonly Spool[] {
  const builder = new SpoolBuilder();
  for (let number = first; number < first + count; number++) {
    builder.add(messageOf(payloadBytes));
    builder.enqueue(session, number, 1, false, [], sent);
  }
  return builder.finish();
}

export async function pagesOf(store: SessionStore, bytesMax: number): Promise<readonly (readonly RetainedChange[])[]> {
  const pages: (readonly RetainedChange[])[] = [];
  for (let after = ""; ;) {
    const page = await store.retained(after, bytesMax);
    if (page.length === 0) return pages;
    pages.push(page);
    after = page.at(-1)?.topic ?? "";
  }
}

/** Everything that can be asked of a store. */
export async function contentOf(store: SessionStore): Promise<unknown> {
  const sessions = await store.sessions();
  const queues: (readonly QueuedMessage[])[] = [];
  for (const { id } of sessions) {
    for (const [from, bytesMax] of [
      [1, 1e9],
      [4, 1e9],
      [7, 60],
    ] as const)
      queues.push(await store.queue(id, from, bytesMax));
  }
  return { sessions, queues, retained: (await pagesOf(store, 100)).flat() };
}
