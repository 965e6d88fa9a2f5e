// Whether a server that was away still has what it had acknowledged: it may have been put back from a copy, within the time between two
// inserts. With every new connection the message that was acknowledged last is looked for.
import type { Collection, Db } from "mongodb";
import type { DataBlock } from "#shared/system/document-store.ts";
import type { Identity, MessageDocument } from "./data-document.ts";

export class StorageWitness {
  readonly #data: Collection<MessageDocument>;
  #last: Identity | undefined;
  #isDoubtful = false;

  constructor(db: Db) {
    this.#data = db.collection<MessageDocument>("data");
  }

  get isDoubtful(): boolean {
    return this.#isDoubtful;
  }

  /** There is a new connection. */
  doubt(): void {
    this.#isDoubtful = true;
  }

  /** These were acknowledged, and there was no doubt. */
  saw(blocks: readonly DataBlock[]): void {
    const block = blocks.at(-1);
    if (block === undefined) return;
    const { origin, epoch, stream, first, items } = block;
    this.#last = { origin, epoch, stream, seq: first + items - 1 };
  }

  /** Removes the doubt: whether what was acknowledged last is there. What is not will not be missed again. */
  async isThere(): Promise<boolean> {
    this.#isDoubtful = false;
    try {
      const last = this.#last;
      if (last === undefined) return true;
      const found = await this.#data.findOne({ _id: last }, { projection: { _id: 1 } });
      if (found === null) this.#last = undefined;
      return found !== null;
    } catch (error) {
      this.#isDoubtful = true;
      throw error;
    }
  }
}
