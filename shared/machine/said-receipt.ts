// What one neighbour has said of a message so far, put together from its frames: all of it at first, then what has changed.
//
// Each frame names the one that it goes on from. Where one is missing nothing more can be taken in before the neighbour has said all
// again: whoever is asked again does.
import { within, type Bounds } from "./merge-receipts.ts";
import { withChanges } from "./receipt-changes.ts";
import { consistent, type NodeResult, type Receipt } from "./receipt.ts";
import type { ReceiptFrame } from "./receipt-wire.ts";

/** The receipt as it stands now, and which results of it are new or may be. `isAnew`: it does not go on from what was said before. */
export interface Word {
  readonly receipt: Receipt;
  readonly isAnew: boolean;
  readonly results: readonly NodeResult[];
}

export class SaidReceipt {
  #receipt: Receipt | undefined;
  /** Session and number of its last frame. */
  #session = -1;
  #number = -1;
  /** Parts of what is being said. */
  #parts: { readonly isAll: boolean; readonly results: readonly NodeResult[] } | undefined;
  #isBroken = false;

  /** A frame is missing. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Undefined: it adds nothing by itself. */
  take(frame: Omit<ReceiptFrame, "id">, session: number, bounds: Bounds): Word | undefined {
    const { number, since, receipt, isPart = false } = frame;
    const isSameSession = session === this.#session;
    // An older one, or one that has come twice.
    if (isSameSession && (number < this.#number || (since !== undefined && number === this.#number))) return undefined;
    if (since !== undefined && !(isSameSession && since.number === this.#number)) {
      this.#isBroken = true;
      return undefined;
    }
    this.#session = session;
    this.#number = number;
    if (since === undefined) {
      this.#isBroken = false;
      this.#parts = undefined;
    }
    const isAll = this.#parts?.isAll ?? since === undefined;
    const parts = this.#parts?.results ?? [];
    const said = parts.length === 0 ? receipt : within({ ...receipt, results: [...parts, ...receipt.results] }, bounds);
    const { results } = said;
    this.#parts = isPart ? { isAll, results } : undefined;
    if (isPart) return undefined;
    const before = this.#receipt;
    const whole =
      isAll || before === undefined || since === undefined ? said : withChanges(before, { ...since, receipt: said });
    this.#receipt = within(consistent(whole), bounds);
    return { receipt: this.#receipt, results, isAnew: isAll };
  }

  /** Another one speaks from now on. */
  forget(): void {
    this.#receipt = undefined;
    this.#session = -1;
    this.#number = -1;
    this.#parts = undefined;
    this.#isBroken = false;
  }
}
