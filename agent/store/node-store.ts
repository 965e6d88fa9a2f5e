// The node's database as its parts see it: typed writes that resolve when they are durable, typed reads, never a wait on the
// event loop. In a worker thread for a process, in this thread for tests that own the clock.
import { FogbankError } from "#shared/errors.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import { callWorker } from "#shared/system/worker-rpc.ts";
import { startWorker } from "../system/worker-entry.ts";
import { GroupCommit, type Contributor, type Haste, type WriteOutcome, type WriteRequest } from "./group-commit.ts";
import { openNodeDatabase, type NodeDatabase, type NodeDatabaseConfig } from "./node-database.ts";
import type { NodeReads, NodeWrites } from "./node-operations.ts";
import type { SalvageReport } from "./salvage.ts";
import type { StoreWorkerCalls } from "./store-worker.ts";

type Args<F> = F extends (args: infer A) => unknown ? A : never;
type Result<F> = F extends (args: never) => infer R ? R : never;

export interface NodeStore extends AsyncDisposable {
  /**
   * Resolves once durable. A lazy write waits a moment for company, an urgent one not even for the pause between commits. Rejects with FOGBANK_STORE_FULL, FOGBANK_STORE_FAILED,
   * FOGBANK_STORE_CORRUPT or FOGBANK_STORE_CLOSED, nothing changed. The buffers in `transfer` are moved instead of copied: nobody may
   * look at them afterwards.
   */
  write<Name extends keyof NodeWrites>(
    name: Name,
    args: Args<NodeWrites[Name]>,
    haste?: Haste,
    transfer?: readonly ArrayBuffer[],
  ): Promise<Result<NodeWrites[Name]>>;
  /** Sees every write that has resolved. */
  read<Name extends keyof NodeReads>(name: Name, args: Args<NodeReads[Name]>): Promise<Result<NodeReads[Name]>>;
  /** Asks `contributor` for writes at the start of every commit. */
  contribute(contributor: Contributor): void;
  /** A contributor has something. */
  wake(haste?: "urgent"): void;
  /** Tells `listener` the newest segment's id after every commit that stored segments. */
  onStored(listener: (newestId: number) => void): Disposable;
}

function loopTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** What lies under a store: runs commits and reads, somewhere. */
interface Engine extends AsyncDisposable {
  commit(requests: readonly WriteRequest[], transfer: readonly ArrayBuffer[]): Promise<readonly WriteOutcome[]>;
  read(request: WriteRequest): Promise<unknown>;
}

/**
 * Opens the database in a worker thread. Rejects with what `openDatabase` throws. A crash of the thread goes to `onCrash`, as does a
 * damage that shows while the database is in use; what became of a damaged file goes to `onSalvaged`.
 */
export async function openNodeStore(
  deps: { readonly clock: Clock; onCrash(error: unknown): void; onSalvaged?(report: SalvageReport): void },
  config: NodeDatabaseConfig,
): Promise<NodeStore> {
  const worker = startWorker(new URL("./store-worker.ts", import.meta.url), config);
  worker.on("error", (error) => deps.onCrash(error));
  const call = callWorker<StoreWorkerCalls>(worker);
  try {
    const salvaged = await call("open", null);
    if (salvaged !== null) deps.onSalvaged?.(salvaged);
  } catch (error) {
    await worker.terminate();
    throw error;
  }
  return createStore(deps.clock, loopTurn, config.minCommitMs, {
    async commit(requests, transfer) {
      const outcomes = await call("commit", requests, transfer);
      return outcomes.map((outcome) =>
        "failed" in outcome ? { error: new FogbankError(outcome.failed.code, outcome.failed.message) } : outcome,
      );
    },
    read: (request) => call("read", request),
    async [Symbol.asyncDispose]() {
      await call("close", null);
      await worker.terminate();
    },
  });
}

/** The same in this thread: for tests, whose steps must not depend on a scheduler. `database`: one that has been opened already. */
export function openNodeStoreInThread(
  deps: { readonly clock: Clock; readonly hasher: Hasher; readonly onSalvaged?: (report: SalvageReport) => void },
  config: NodeDatabaseConfig,
  database: NodeDatabase = openNodeDatabase(deps, config),
): NodeStore {
  return createStore(deps.clock, () => Promise.resolve(), config.minCommitMs, {
    commit: async (requests) => database.commit(requests),
    read: async (request) => database.read(request),
    async [Symbol.asyncDispose]() {
      database.close();
    },
  });
}

function createStore(
  clock: Clock,
  turn: () => Promise<void>,
  minCommitMs: number | undefined,
  engine: Engine,
): NodeStore {
  const listeners = new Set<(newestId: number) => void>();
  const group = new GroupCommit({
    clock,
    turn,
    ...(minCommitMs !== undefined && { minCommitMs }),
    async run(requests, transfer) {
      const outcomes = await engine.commit(requests, transfer);
      const newestId = Math.max(0, ...outcomes.map(newestIdOf));
      // After the writes have been answered: a listener that fails must not make durable writes look failed.
      if (newestId > 0) queueMicrotask(() => listeners.forEach((listener) => listener(newestId)));
      return outcomes;
    },
  });
  return {
    write: <Name extends keyof NodeWrites>(
      name: Name,
      args: Args<NodeWrites[Name]>,
      haste?: Haste,
      transfer?: readonly ArrayBuffer[],
    ) => group.write(name, args, haste, transfer) as Promise<Result<NodeWrites[Name]>>,
    read: <Name extends keyof NodeReads>(name: Name, args: Args<NodeReads[Name]>) =>
      engine.read({ name, args }) as Promise<Result<NodeReads[Name]>>,
    contribute: (contributor) => group.contribute(contributor),
    wake: (haste) => group.wake(haste),
    onStored(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    async [Symbol.asyncDispose]() {
      await group[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
    },
  };
}

/** Appends and ingests answer the newest id; whatever else a write answers has none. */
function newestIdOf(outcome: WriteOutcome): number {
  if (!("value" in outcome) || typeof outcome.value !== "object" || outcome.value === null) return 0;
  return "newestId" in outcome.value && typeof outcome.value.newestId === "number" ? outcome.value.newestId : 0;
}
