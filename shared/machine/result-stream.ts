// The results of single nodes for a caller who wants each of them when it comes.
import type { NodeName } from "../ids.ts";
import { isFinalStatus, type NodeResult } from "./receipt.ts";

export class ResultStream {
  readonly #told = new Set<NodeName>();
  #fresh: NodeResult[] = [];

  /** Final ones of nodes that have not been told of. */
  add(results: readonly NodeResult[]): void {
    for (const result of results) if (isFinalStatus(result.status)) this.#add(result);
  }

  /** Nothing more comes: whatever is known of the others is their result. */
  end(results: readonly NodeResult[]): void {
    for (const result of results) this.#add(result);
  }

  /** Those that are to be told now; they count as told. */
  take(): readonly NodeResult[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }

  #add(result: NodeResult): void {
    if (this.#told.has(result.node)) return;
    this.#told.add(result.node);
    this.#fresh.push(result);
  }
}
