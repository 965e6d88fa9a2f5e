// The coordinator of several cloud nodes: entries are nodes of a ZooKeeper ensemble.
import {
  ChangeRefused,
  type Change,
  type Changed,
  type Coordinator,
  type Entry,
  type Hold,
  type RefusalReason,
} from "../coordinator.ts";
import { parentOf } from "../entry-tree.ts";
import type { TransactionOperation, ZooKeeperClient } from "./client.ts";
import type { SessionChange, WatchEvent } from "./session-state.ts";
import { TransactionError, type TransactionResult } from "./transaction.ts";
import { ZooKeeperError } from "./zookeeper-error.ts";

const reasons: Readonly<Record<string, RefusalReason>> = {
  "no-node": "absent",
  "node-exists": "exists",
  "bad-version": "version",
  "not-empty": "not-empty",
  "no-children-for-ephemerals": "below-ephemeral",
  "no-auth": "not-allowed",
  "bad-arguments": "not-allowed",
};

const holds: Readonly<Record<SessionChange["type"], Hold>> = {
  connected: "held",
  suspended: "suspended",
  "presumed-lost": "lost",
  expired: "lost",
  ended: "ended",
};

/** Takes over `client`, which may still be connecting. */
export function createZooKeeperCoordinator(client: ZooKeeperClient): Coordinator {
  return new ZooKeeperCoordinator(client);
}

class ZooKeeperCoordinator implements Coordinator {
  readonly #client: ZooKeeperClient;
  readonly #listeners = new Set<(hold: Hold) => void>();
  #hold: Hold;

  constructor(client: ZooKeeperClient) {
    this.#client = client;
    this.#hold = client.isConnected ? "held" : "suspended";
    client.onSession(({ type }) => {
      if (this.#hold === holds[type]) return; // expired after presumed-lost tells nothing new
      this.#hold = holds[type];
      for (const listener of this.#listeners) listener(this.#hold);
    });
  }

  get hold(): Hold {
    return this.#hold;
  }

  get heldUntilMs(): number {
    return this.#client.validUntilMs;
  }

  onHold(listener: (hold: Hold) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async get(path: string): Promise<Entry | undefined> {
    const found = await unlessAbsent(this.#client.get(path));
    if (found === undefined) return undefined;
    const { version, ephemeralOwner } = found.stat;
    const isOwn = ephemeralOwner === this.#client.sessionId;
    return { data: found.data, version, lifetime: ephemeralOwner === 0n ? "lasting" : isOwn ? "own" : "session" };
  }

  async list(path: string): Promise<readonly string[]> {
    return (await unlessAbsent(this.#client.children(path)))?.children.toSorted() ?? [];
  }

  async change(changes: readonly Change[]): Promise<readonly Changed[]> {
    try {
      const results = await this.#client.multi(changes.map((change) => operationOf(change)));
      return results.map((result, index) => changedBy(result, changes[index]));
    } catch (error) {
      if (!(error instanceof TransactionError)) throw error;
      const change = changes[error.index] ?? { type: "change", path: "/" };
      throw new ChangeRefused(reasons[error.reason] ?? "other", error.index, change);
    }
  }

  async sync(): Promise<void> {
    await this.#client.sync();
  }

  /** Recursive in any case: one path has one kind of watch (see PROTOCOL.md). */
  async watch(path: string, below: boolean, changed: () => void): Promise<AsyncDisposable> {
    const hear = (event: WatchEvent): void => {
      if (below || isNear(event, path)) changed();
    };
    for (;;) {
      try {
        return await this.#client.addWatch(path, true, hear);
      } catch (error) {
        // The watch would have to stand in the next session too: it is asked for there.
        if (!(error instanceof ZooKeeperError) || error.reason !== "session-expired") throw error;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }
}

function isNear({ type, path }: WatchEvent, watched: string): boolean {
  return path === watched || ((type === "created" || type === "deleted") && parentOf(path) === watched);
}

function operationOf(change: Change): TransactionOperation {
  switch (change.type) {
    case "create": {
      const { path, data, ephemeral, sequential } = change;
      const lifetime = ephemeral === true ? "ephemeral" : "persistent";
      return { type: "create", path, data, lifetime, sequential: sequential === true };
    }
    case "write":
      return { ...change, type: "set" };
    case "delete":
    case "check":
      return change;
  }
}

function changedBy(result: TransactionResult, change: Change | undefined): Changed {
  const path = change?.path ?? "/";
  switch (result.type) {
    case "created":
      return { path: result.path, version: 0 };
    case "set":
      return { path, version: result.stat.version };
    case "deleted":
      return { path, version: -1 };
    case "checked":
      return { path, version: change?.type === "check" ? change.version : 0 };
  }
}

async function unlessAbsent<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ZooKeeperError && error.reason === "no-node") return undefined;
    throw error;
  }
}
