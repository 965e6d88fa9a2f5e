// Operations on the nodes of a ZooKeeper ensemble, over one session that lives through outages of single servers. PROTOCOL.md says what
// is promised, and what to do when the connection is lost under an operation.
import type { Clock } from "#shared/system/clock.ts";
import { pathFault, withChroot, withoutChroot } from "../entry-path.ts";
import { openAcl, type Acl, type Stat } from "./records.ts";
import {
  addWatchRequest,
  createRequest,
  deleteRequest,
  existsRequest,
  getAclRequest,
  getChildrenRequest,
  getDataRequest,
  multiRequest,
  removeWatchesRequest,
  setAclRequest,
  setDataRequest,
  syncRequest,
  whoAmIRequest,
  type Created,
  type Identification,
  type Lifetime,
  type MultiOperation,
  type NodeChildren,
  type NodeData,
  type NodePlan,
  type Request,
} from "./requests.ts";
import type { ServerList } from "./server-list.ts";
import { SessionDriver, type SessionDeps, type TlsOptions } from "./session-driver.ts";
import { validUntilMs, type SessionChange, type WatchEvent } from "./session-state.ts";
import { transactionResults, type TransactionResult } from "./transaction.ts";
import { isOneShot, type WatchKind } from "./watch-table.ts";
import { interrupted, ZooKeeperError } from "./zookeeper-error.ts";

export interface ZooKeeperOptions extends ServerList {
  /** Of the session; the servers decide, within bounds of theirs. */
  readonly timeoutMs: number;
  /** The longest that an operation waits for a connection, and then for its answer. */
  readonly operationMs: number;
  readonly tls?: TlsOptions;
  /** Shown to every server. */
  readonly digest?: { readonly user: string; readonly password: string };
}

/** Called for one event; a watch that fires once is spent then. It must not throw. */
export type WatchListener = (event: WatchEvent) => void;

export interface CreateOptions {
  readonly data?: Uint8Array;
  readonly acl?: readonly Acl[];
  readonly lifetime?: Lifetime;
  readonly sequential?: boolean;
}

/** One operation of a transaction; a version that is not named is any. */
export type TransactionOperation =
  | ({ readonly type: "create"; readonly path: string } & CreateOptions)
  | { readonly type: "delete"; readonly path: string; readonly version?: number }
  | { readonly type: "set"; readonly path: string; readonly data: Uint8Array; readonly version?: number }
  | { readonly type: "check"; readonly path: string; readonly version: number };

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: ZooKeeperError) => void;
  readonly watch: number | undefined;
}

interface Listening {
  readonly listener: WatchListener;
  readonly firesOnce: boolean;
}

const anyVersion = -1;
const noData = new Uint8Array(0);

/** Starts to connect, for as long as it takes; operations wait meanwhile. Close it, or its session goes on. */
export function openZooKeeper(options: ZooKeeperOptions, deps: SessionDeps): ZooKeeperClient {
  return new ZooKeeperClient(options, deps);
}

export class ZooKeeperClient implements AsyncDisposable {
  readonly #chroot: string;
  readonly #clock: Clock;
  readonly #operationMs: number;
  readonly #driver: SessionDriver;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listening = new Map<number, Listening>();
  readonly #audience = new Set<(change: SessionChange) => void>();
  #lastId = 0;

  constructor({ servers, chroot, tls, digest, ...settings }: ZooKeeperOptions, deps: SessionDeps) {
    this.#chroot = chroot;
    this.#clock = deps.clock;
    this.#operationMs = settings.operationMs;
    this.#driver = new SessionDriver(servers, settings, tls, deps, {
      succeeded: (operation, result) => this.#settled(operation, true)?.resolve(result),
      failed: (operation, error) => this.#settled(operation, false)?.reject(error),
      notified: (watches, event) => this.#notify(watches, event),
      changed: (change) => {
        for (const listener of this.#audience) listener(change);
      },
    });
    if (digest !== undefined) this.authenticate("digest", `${digest.user}:${digest.password}`);
    this.#driver.dispatch({ type: "tick" });
  }

  /** Undefined as long as there is no session. */
  get sessionId(): bigint | undefined {
    return this.#driver.state.identity?.id;
  }

  get isConnected(): boolean {
    return this.#driver.state.link.at === "running";
  }

  /** Monotonic milliseconds until which the servers keep the session for certain: what it holds must not be relied on after that. */
  get validUntilMs(): number {
    return validUntilMs(this.#driver.state) ?? 0;
  }

  /** Of every change from now on, in order. The listener must not throw. */
  onSession(listener: (change: SessionChange) => void): Disposable {
    this.#audience.add(listener);
    return { [Symbol.dispose]: () => void this.#audience.delete(listener) };
  }

  /** From now on, at every server. A server that refuses it ends the session for good. */
  authenticate(scheme: string, secret: string): void {
    this.#driver.dispatch({
      type: "authenticate",
      credentials: { scheme, secret: new TextEncoder().encode(secret) },
    });
  }

  async create(path: string, options: CreateOptions = {}): Promise<Created> {
    const plan = planOf(options);
    const request = createRequest(withChroot(this.#chroot, path), plan);
    const created = await this.#submit("create", path, request, plan.sequential);
    return { ...created, path: withoutChroot(this.#chroot, created.path) };
  }

  /** The node must have no children. With a version, only that one is deleted. */
  async delete(path: string, version: number = anyVersion): Promise<void> {
    await this.#submit("delete", path, deleteRequest(withChroot(this.#chroot, path), version));
  }

  /** Undefined when there is no such node: `watch` then waits for it. */
  async exists(path: string, watch?: WatchListener): Promise<Stat | undefined> {
    const request = existsRequest(withChroot(this.#chroot, path), watch !== undefined);
    return this.#read("exists", path, request, "exist", watch);
  }

  async get(path: string, watch?: WatchListener): Promise<NodeData> {
    const request = getDataRequest(withChroot(this.#chroot, path), watch !== undefined);
    return this.#read("get", path, request, "data", watch);
  }

  /** With a version, only when the node still has it: refused with `bad-version` otherwise. */
  async set(path: string, data: Uint8Array, version: number = anyVersion): Promise<Stat> {
    return this.#submit("set", path, setDataRequest(withChroot(this.#chroot, path), data, version));
  }

  async children(path: string, watch?: WatchListener): Promise<NodeChildren> {
    const request = getChildrenRequest(withChroot(this.#chroot, path), watch !== undefined);
    return this.#read("children", path, request, "child", watch);
  }

  async getAcl(path: string): Promise<{ readonly acl: readonly Acl[]; readonly stat: Stat }> {
    return this.#read("get-acl", path, getAclRequest(withChroot(this.#chroot, path)));
  }

  async setAcl(path: string, acl: readonly Acl[], aversion: number = anyVersion): Promise<Stat> {
    return this.#submit("set-acl", path, setAclRequest(withChroot(this.#chroot, path), acl, aversion));
  }

  /** The server has then caught up with its leader: a read after it sees what anybody had written before. */
  async sync(path = "/"): Promise<void> {
    await this.#read("sync", path, syncRequest(withChroot(this.#chroot, path)));
  }

  async whoAmI(): Promise<readonly Identification[]> {
    return this.#read("who-am-i", "/", whoAmIRequest());
  }

  /** All of it or nothing. Rejects with a TransactionError, which says what became of each operation. */
  async multi(operations: readonly TransactionOperation[]): Promise<readonly TransactionResult[]> {
    for (const operation of operations) {
      const isOpen = operation.type === "create" && operation.sequential === true;
      this.#checkPath(`multi ${operation.type}`, operation.path, isOpen);
    }
    const planned = operations.map((operation) => this.#planned(operation));
    const results = await this.#submit("multi", operations[0]?.path ?? "/", multiRequest(planned));
    return transactionResults(operations, results, (path) => withoutChroot(this.#chroot, path));
  }

  /**
   * Watches the node, with `recursive` all below it too, until disposed. After an outage `resync` says that events may have been missed.
   * The same path cannot be watched in another way meanwhile.
   */
  async addWatch(path: string, recursive: boolean, listener: WatchListener): Promise<AsyncDisposable> {
    const full = withChroot(this.#chroot, path);
    const kind = recursive ? "recursive" : "persistent";
    const id = await this.#watching("add-watch", path, addWatchRequest(full, recursive), kind, listener);
    return { [Symbol.asyncDispose]: async () => this.#removeWatch(path, full, id) };
  }

  /** Ends the session, and with it its ephemeral nodes, if a server can be told; resolves soon in any case. */
  async close(): Promise<void> {
    if (this.#driver.state.link.at === "ended") return;
    const ended = Promise.withResolvers<void>();
    const listener = this.onSession((change) => {
      if (change.type === "ended") ended.resolve();
    });
    this.#driver.dispatch({ type: "close" });
    await ended.promise;
    listener[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #removeWatch(path: string, full: string, id: number): Promise<void> {
    if (!this.#listening.delete(id)) return;
    this.#driver.dispatch({ type: "unwatch", watch: id });
    const { entries } = this.#driver.state.watches;
    const isWatched = ["persistent", "recursive"].some((kind) => entries.has(`${kind}:${full}`));
    // Nobody listens in any case: what remains of it at a server ends with the connection.
    if (isWatched || !this.isConnected) return;
    await this.#send("remove-watch", path, removeWatchesRequest(full, 3)).catch(() => undefined);
  }

  #planned(operation: TransactionOperation): MultiOperation {
    const path = withChroot(this.#chroot, operation.path);
    switch (operation.type) {
      case "create":
        return { type: "create", path, ...planOf(operation) };
      case "delete":
        return { type: "delete", path, version: operation.version ?? anyVersion };
      case "set":
        return { type: "set", path, data: operation.data, version: operation.version ?? anyVersion };
      case "check":
        return { ...operation, path };
    }
  }

  async #submit<T>(operation: string, path: string, request: Request<T>, isOpen = false): Promise<T> {
    this.#checkPath(operation, path, isOpen);
    return this.#send(operation, path, request);
  }

  /** What changes nothing is asked again when the connection was lost under it, for as long as an operation may take. */
  async #read<T>(
    operation: string,
    path: string,
    request: Request<T>,
    kind?: WatchKind,
    watch?: WatchListener,
  ): Promise<T> {
    this.#checkPath(operation, path, false);
    if (kind === undefined || watch === undefined)
      return this.#repeated(async () => this.#send(operation, path, request));
    return this.#repeated(async () => this.#sendWatching(operation, path, request, this.#listen(kind, watch), kind));
  }

  /** A watch ends with the connection that it was set on: setting it again is no harm. Answers the number of the listener. */
  async #watching(
    operation: string,
    path: string,
    request: Request<void>,
    kind: WatchKind,
    listener: WatchListener,
  ): Promise<number> {
    this.#checkPath(operation, path, false);
    return this.#repeated(async () => {
      const id = this.#listen(kind, listener);
      await this.#sendWatching(operation, path, request, id, kind);
      return id;
    });
  }

  #listen(kind: WatchKind, listener: WatchListener): number {
    const id = ++this.#lastId;
    this.#listening.set(id, { listener, firesOnce: isOneShot(kind) });
    return id;
  }

  async #sendWatching<T>(
    operation: string,
    path: string,
    request: Request<T>,
    id: number,
    kind: WatchKind,
  ): Promise<T> {
    return this.#send(operation, path, request, { id, kind, path: withChroot(this.#chroot, path) });
  }

  async #repeated<T>(attempt: () => Promise<T>): Promise<T> {
    const endMs = this.#clock.monotonic() + this.#operationMs;
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        const isLost = error instanceof ZooKeeperError && error.reason === "connection-lost";
        if (!isLost || this.#clock.monotonic() >= endMs) throw error;
      }
    }
  }

  #checkPath(operation: string, path: string, isOpen: boolean): void {
    const fault = pathFault(path, isOpen);
    if (fault !== undefined) throw interrupted({ operation, path }, "invalid", false, fault);
  }

  async #send<T>(
    operation: string,
    path: string,
    request: Request<T>,
    watch?: { readonly id: number; readonly kind: WatchKind; readonly path: string },
  ): Promise<T> {
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject, watch: watch?.id });
    const attempt = { operation, path };
    this.#driver.dispatch({ type: "submit", operation: { id, attempt, request, ...(watch && { watch }) } });
    return (await promise) as T;
  }

  #settled(operation: number, hasSucceeded: boolean): Waiting | undefined {
    const waiting = this.#waiting.get(operation);
    this.#waiting.delete(operation);
    if (!hasSucceeded && waiting?.watch !== undefined) this.#listening.delete(waiting.watch);
    return waiting;
  }

  #notify(watches: readonly number[], event: WatchEvent): void {
    const told = { ...event, path: withoutChroot(this.#chroot, event.path) };
    for (const watch of watches) {
      const listening = this.#listening.get(watch);
      if (listening?.firesOnce === true) this.#listening.delete(watch);
      listening?.listener(told);
    }
  }
}

function planOf({ data, acl, lifetime, sequential }: CreateOptions): NodePlan {
  return {
    data: data ?? noData,
    acl: acl ?? openAcl,
    lifetime: lifetime ?? "persistent",
    sequential: sequential ?? false,
  };
}
