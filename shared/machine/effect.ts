// What the core wants done. Values only: who performs them tells the core what came of it.
import type { NodeName } from "../ids.ts";
import type { Encoding, Envelope } from "./envelope.ts";
import type { Neighbour } from "./neighbour.ts";
import type { ReplyTopics } from "./open-message.ts";
import type { NodeResult, Receipt } from "./receipt.ts";
import type { ReceiptFrame } from "./receipt-wire.ts";

export type Effect =
  /** Sends the envelope; best effort. */
  | { readonly type: "ask"; readonly to: readonly Neighbour[]; readonly envelope: Envelope }
  /** Answers a neighbour; best effort. */
  | { readonly type: "report"; readonly to: Neighbour; readonly frame: ReceiptFrame }
  /** Answers local callers. */
  | { readonly type: "reply"; readonly to: ReplyTopics; readonly envelope: Envelope; readonly report: CallReport }
  /** Tells a local caller what became of single nodes: before the reply that follows. */
  | {
      readonly type: "results";
      readonly id: string;
      readonly to: string;
      readonly encoding: Encoding;
      readonly results: readonly NodeResult[];
    }
  /** A neighbour's message is neither run here nor passed on. */
  | { readonly type: "refused"; readonly from: NodeName; readonly reason: string }
  /** Makes the id durable, before the function begins: `recorded` hears what came of it. */
  | { readonly type: "remember"; readonly id: string; readonly deadlineMs: number }
  /** Looks what the record says: `recorded` hears. */
  | { readonly type: "recall"; readonly id: string }
  /** Runs the function: `ran` hears. */
  | { readonly type: "run"; readonly envelope: Envelope }
  /** Nobody waits for that run any more. */
  | { readonly type: "stop"; readonly id: string }
  /** Writes the own outcome into the record, soon. `isAwaited`: `settled` hears when that is durable, and nobody is told before. */
  | {
      readonly type: "outcome";
      readonly id: string;
      readonly name: string;
      readonly deadlineMs: number;
      readonly result: NodeResult;
      readonly isAwaited: boolean;
    }
  /** Tells local subscribers of an event. */
  | { readonly type: "deliver"; readonly envelope: Envelope }
  /** Stores the open message, or stores it anew: `kept` hears when that is durable. */
  | { readonly type: "keep"; readonly id: string; readonly deadlineMs: number; readonly body: Uint8Array }
  /** It is not open any more, soon. */
  | { readonly type: "drop"; readonly id: string };

/** What a caller reads. */
export interface CallReport {
  readonly receipt: Receipt;
  readonly isFinal: boolean;
}

/** What the store knows of an id. */
export type Recorded =
  /** Nothing; after `remember` it knows it now. */
  | { readonly type: "new" }
  /** The outcome, and of which function if that is known; null: it had begun when this node stopped. */
  | { readonly type: "known"; readonly result: NodeResult | null; readonly name?: string }
  | { readonly type: "refused"; readonly reason: string };
