// SqlDatabase on node:sqlite, in a worker thread of its own.
//
//   transact --> waiting --(no commit runs)--> one group = one commit --> each caller's own outcome
//
// Self-clocking: what arrives while a commit runs forms the next group; there is no timer.
import { FogbankError } from "#shared/errors.ts";
import type { OpenSqlDatabase, SqlDatabase, SqlStatement, SqlValue } from "#shared/system/sql-database.ts";
import { callWorker } from "#shared/system/worker-rpc.ts";
import type { CallsOf } from "#shared/system/worker-rpc.ts";
import { startWorker } from "../system/worker-entry.ts";
import type { SalvageReport } from "./salvage.ts";
import type { SqlWorkerHandlers, TransactOutcome } from "./sql-worker.ts";

/** Transactions in one commit: a longer group makes its first caller wait for its last. */
const groupTransactionsMax = 1_000;

/** Transactions that may wait; one more is refused with FOGBANK_STORE_FULL. */
const waitingTransactionsMax = 10_000;

/** A damaged file is refused, and left as it is. */
export const openSqlDatabase: OpenSqlDatabase = (file, migrations) => open(file, migrations, undefined);

/** A damaged file is replaced by what is readable of it, and `onSalvaged` is told. Damage that shows in use ends the process. */
export function salvagingSqlDatabases(onSalvaged: (report: SalvageReport) => void): OpenSqlDatabase {
  return (file, migrations) => open(file, migrations, onSalvaged);
}

async function open(
  file: string,
  migrations: readonly string[],
  onSalvaged: ((report: SalvageReport) => void) | undefined,
): Promise<SqlDatabase> {
  const worker = startWorker(new URL("./sql-worker.ts", import.meta.url), null);
  const call = callWorker<SqlWorkerHandlers>(worker);
  try {
    const salvaged = await call("open", { file, migrations, salvage: onSalvaged !== undefined });
    if (salvaged !== null) onSalvaged?.(salvaged);
  } catch (error) {
    await worker.terminate();
    throw error;
  }
  return createSqlDatabase(file, call, () => worker.terminate());
}

/** Values of this size are copied here and the copy is moved, where the way to the worker would copy them twice. */
const movedBytesMin = 4_096;

interface Waiting {
  readonly statements: readonly SqlStatement[];
  /** Buffers of values in the statements that are the worker's from then on. */
  readonly moved: readonly ArrayBuffer[];
  readonly resolve: (changes: readonly number[]) => void;
  readonly reject: (error: unknown) => void;
}

function createSqlDatabase(
  file: string,
  call: CallsOf<SqlWorkerHandlers>,
  terminate: () => Promise<unknown>,
): SqlDatabase {
  let waiting: Waiting[] = [];
  let committing: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  const commitWaiting = async (): Promise<void> => {
    while (waiting.length > 0) {
      const group = waiting.slice(0, groupTransactionsMax);
      waiting = waiting.slice(groupTransactionsMax);
      try {
        const outcomes = await call(
          "commit",
          group.map(({ statements }) => statements),
          group.flatMap(({ moved }) => moved),
        );
        group.forEach((one, index) => settle(one, outcomes[index]));
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    committing = undefined;
  };

  const close = async (): Promise<void> => {
    try {
      await committing;
      await call("close", undefined);
    } finally {
      await terminate();
    }
  };

  return {
    transact(statements) {
      if (closing !== undefined) return Promise.reject(closedError(file));
      if (waiting.length >= waitingTransactionsMax) return Promise.reject(overloadedError(file));
      const { promise, resolve, reject } = Promise.withResolvers<readonly number[]>();
      waiting.push({ ...detached(statements), resolve, reject });
      committing ??= commitWaiting();
      return promise;
    },
    query(sql, params) {
      if (closing !== undefined) return Promise.reject(closedError(file));
      return call("query", { sql, params: params.map(withoutRest) });
    },
    [Symbol.asyncDispose]() {
      closing ??= close();
      return closing;
    },
  };
}

function settle({ resolve, reject }: Waiting, outcome: TransactOutcome | undefined): void {
  if (outcome === undefined) reject(new Error("assertion failed: each transaction has an outcome"));
  else if (outcome.type === "failed") reject(new FogbankError(outcome.code, outcome.message));
  else resolve(outcome.changes);
}

/** The statements as the worker gets them. The caller's bytes stay the caller's. */
function detached(statements: readonly SqlStatement[]): Pick<Waiting, "statements" | "moved"> {
  const moved: ArrayBuffer[] = [];
  const detach = (value: SqlValue): SqlValue => {
    if (!(value instanceof Uint8Array) || value.length < movedBytesMin) return withoutRest(value);
    const copy = new Uint8Array(value);
    moved.push(copy.buffer);
    return copy;
  };
  const copies = statements.map(({ sql, params }) => ({ sql, params: params.map((values) => values.map(detach)) }));
  return { statements: copies, moved };
}

/** A view into a larger buffer would take the whole of it to the worker. */
function withoutRest(value: SqlValue): SqlValue {
  return value instanceof Uint8Array && value.byteLength < value.buffer.byteLength ? new Uint8Array(value) : value;
}

function closedError(file: string): FogbankError {
  return new FogbankError("FOGBANK_STORE_CLOSED", `could not use ${file}: it is closed`);
}

function overloadedError(file: string): FogbankError {
  return new FogbankError(
    "FOGBANK_STORE_FULL",
    `could not write to ${file}: ${waitingTransactionsMax} transactions wait already`,
  );
}
