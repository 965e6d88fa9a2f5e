// What each node answered, in a file: one line of JSON each, written when it comes.
import { closeSync, openSync, writeSync } from "node:fs";
import { FogbankError } from "#shared/errors.ts";
import { isFinalStatus } from "#shared/machine/receipt.ts";
import type { NodeAnswer } from "./call-reply.ts";

export interface ResultsFile extends Disposable {
  /** Writes it once for each node, when it is final. Throws FOGBANK_RESULTS_NOT_WRITTEN. */
  take(answer: NodeAnswer): void;
  /** The last word: those that are not final are written too. */
  finish(answers: readonly NodeAnswer[]): void;
}

/** An existing file is replaced. Throws FOGBANK_USAGE when it cannot be written. */
export function openResultsFile(path: string): ResultsFile {
  const file = attempt("FOGBANK_USAGE", path, () => openSync(path, "w"));
  const written = new Set<string>();
  const write = (answer: NodeAnswer): void => {
    if (written.has(answer.node)) return;
    written.add(answer.node);
    const line = Buffer.from(`${JSON.stringify(answer)}\n`);
    attempt("FOGBANK_RESULTS_NOT_WRITTEN", path, () => {
      for (let from = 0; from < line.length;) from += writeSync(file, line, from);
    });
  };
  return {
    take(answer) {
      if (isFinalStatus(answer.status)) write(answer);
    },
    finish(answers) {
      answers.forEach(write);
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
