// What a transaction brings: a result for each operation, or an error that says which one was refused.
import type { MultiResult } from "./requests.ts";
import { refusalOf, ZooKeeperError, type Refusal } from "./zookeeper-error.ts";

export type TransactionResult = Exclude<MultiResult, { readonly type: "failed" }>;

/** Nothing of the transaction has taken place. */
export class TransactionError extends ZooKeeperError {
  /** The operation that was refused. */
  readonly index: number;
  /** For each operation: why it was refused, or undefined when it was not, or was not tried. */
  readonly refusals: readonly (Refusal | undefined)[];

  constructor(
    index: number,
    error: number,
    operation: { readonly type: string; readonly path: string },
    refusals: readonly (Refusal | undefined)[],
  ) {
    const reason = refusalOf(error);
    const attempt = { operation: `multi ${operation.type}`, path: operation.path };
    const message = `refused by the server: ${reason} (${error}), operation ${index + 1} of ${refusals.length}`;
    super("FOGBANK_COORDINATION_REFUSED", reason, attempt, "not-done", message);
    this.name = "TransactionError";
    this.index = index;
    this.refusals = refusals;
  }
}

/** Behind the one that was refused, operations that were not tried. */
const notTried = -2;

/** The results, with paths as `named` has them. Throws a TransactionError when the server refused one of `operations`. */
export function transactionResults(
  operations: readonly { readonly type: string; readonly path: string }[],
  results: readonly MultiResult[],
  named: (path: string) => string,
): readonly TransactionResult[] {
  const errors = results.map((result) => (result.type === "failed" ? result.error : 0));
  const index = errors.findIndex((error) => error !== 0 && error !== notTried);
  const operation = operations[index];
  if (operation !== undefined) {
    const refusals = errors.map((error) => (error === 0 || error === notTried ? undefined : refusalOf(error)));
    throw new TransactionError(index, errors[index] ?? 0, operation, refusals);
  }
  return results.flatMap((result): readonly TransactionResult[] => {
    if (result.type === "failed") return [];
    return [result.type === "created" ? { ...result, path: named(result.path) } : result];
  });
}
