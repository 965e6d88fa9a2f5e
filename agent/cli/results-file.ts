// What each node answered, in a file: one line of JSON each, written when it comes.
import { closeSync, openSync, writeSync } from "node:fs";
import { FogbankError } from "#shared/errors.ts";
import type { NodeAnswer } from "./call-reply.ts";

export interface ResultsFile extends Disposable {
  /** Writes it once for each node: after a crash a node may tell it again. Throws FOGBANK_RESULTS_NOT_WRITTEN. */
  take(answer: NodeAnswer): void;
}

/** An existing file is replaced. Throws FOGBANK_USAGE when it cannot be written. */
export function openResultsFile(path: string): ResultsFile {
  const file = attempt("FOGBANK_USAGE", path, () => openSync(path, "w"));
  const written = new Set<string>();
  return {
    take(answer) {
      if (written.has(answer.node)) return;
      written.add(answer.node);
      const line = Buffer.from(`${JSON.stringify(answer)}\n`);
      attempt("FOGBANK_RESULTS_NOT_WRITTEN", path, () => {
        for (let from = 0; from < line.length;) from += writeSync(file, line, from);
      });
    },
    [Symbol.dispose]: () => closeSync(file),
  };
}

function attempt<T>(code: "FOGBANK_USAGE" | "FOGBANK_RESULTS_NOT_WRITTEN", path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "unknown failure";
    throw new FogbankError(code, `cannot write the results to ${path}: ${reason}`, { cause });
  }
}
