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

  /** Whether what was acknowledged last is there: then there is no doubt, else until `forget`. */
  async isThere(): Promise<boolean> {
    const last = this.#last;
    // A connection that is made meanwhile is a new doubt.
    this.#isDoubtful = false;
    try {
      if (last === undefined || (await this.#data.findOne({ _id: last }, { projection: { _id: 1 } })) !== null)
        return true;
    } catch (error) {
      this.#isDoubtful = true;
      throw error;
    }
    this.#isDoubtful = true;
    return false;
  }

  /** It is known by now what is not there. */
  forget(): void {
    this.#last = undefined;
  }
}
