// Runs a group of writes as one transaction. When that fails, each gets a transaction of its own, so that one bad write does not
// sink its neighbours: a full disk still lets deletes through.
import type { DatabaseSync } from "node:sqlite";
import { FogbankError } from "#shared/errors.ts";
import { translateSqliteError } from "./database.ts";
import type { WriteOutcome, WriteRequest } from "./group-commit.ts";

export type WriteHandlers = Readonly<Record<string, (args: never) => unknown>>;

/** Answers one outcome per request; what is answered with a value is durable. `rolledBack` is told when caches may be wrong. */
export function runCommit(
  database: DatabaseSync,
  handlers: WriteHandlers,
  rolledBack: () => void,
  requests: readonly WriteRequest[],
): readonly WriteOutcome[] {
  const together = inTransaction(database, rolledBack, () =>
    requests.map((request) => ({ value: perform(handlers, request) })),
  );
  if (!("error" in together)) return together.value;
  if (requests.length === 1) return [together];
  return requests.map((request) => inTransaction(database, rolledBack, () => perform(handlers, request)));
}

function perform(handlers: WriteHandlers, request: WriteRequest): unknown {
  const handler = handlers[request.name];
  if (handler === undefined) throw new Error(`assertion failed: there is a write called ${request.name}`);
  return handler(request.args as never); // typed where it was requested
}

function inTransaction<T>(
  database: DatabaseSync,
  rolledBack: () => void,
  work: () => T,
): { readonly value: T } | { readonly error: FogbankError } {
  try {
    database.exec("BEGIN IMMEDIATE");
    const value = work();
    database.exec("COMMIT");
    return { value };
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    rolledBack();
    // A failed assertion is a bug of ours: it ends the process, not the request.
    if (!(error instanceof FogbankError) && !isSqliteError(error)) throw error;
    return { error: translateSqliteError(error, "write to the database") };
  }
}

function isSqliteError(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR";
}
