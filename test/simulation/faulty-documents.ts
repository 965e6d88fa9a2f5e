// A document store that is away for a while, or stores and then says that it did not, or does not take some segments at all.
import type { DataBlock, DocumentStore } from "#shared/system/document-store.ts";
import { numberKey } from "./numbered.ts";

export type DocumentsCondition = "up" | "down" | "fails after storing";

/** Reading works at any time; what inserts does not. */
export class FaultyDocuments {
  readonly documents: DocumentStore;
  condition: DocumentsCondition = "up";
  /** Numbers of messages that it refuses. */
  readonly refused = new Set<string>();
  readonly #real: DocumentStore;
  readonly #taken = new Set<string>();
  #toRefuse = 0;

  constructor(real: DocumentStore) {
    this.#real = real;
    this.documents = new Proxy(real, {
      get: (target, name) => {
        if (name === "insertBlocks") return (blocks: readonly DataBlock[]) => this.#insert(blocks);
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  /** Of the segments that it does not have yet, so many will never be taken. */
  refuseNext(segments: number): void {
    this.#toRefuse += segments;
  }

  async #insert(blocks: readonly DataBlock[]): ReturnType<DocumentStore["insertBlocks"]> {
    if (this.condition === "down") throw new Error("the document store is down");
    for (const block of blocks) {
      const [first = ""] = keysOf(block);
      if (this.#toRefuse === 0 || this.#taken.has(first) || this.refused.has(first)) continue;
      this.#toRefuse--;
      for (const key of keysOf(block)) this.refused.add(key);
    }
    if (blocks.some((block) => this.refused.has(keysOf(block)[0] ?? "")))
      throw new Error("the document store does not take this");
    const outcome = await this.#real.insertBlocks(blocks);
    for (const block of blocks) for (const key of keysOf(block)) this.#taken.add(key);
    if (this.condition !== "up") throw new Error("the document store did not answer");
    return outcome;
  }
}

function keysOf({ origin, epoch, stream, first, items }: DataBlock): readonly string[] {
  return Array.from({ length: items }, (_, at) => numberKey(origin, epoch, stream, first + at));
}
