// What a node says of a message to the one that it came from: everything when it is asked, and then what has changed since it spoke last.
import type { NodeName } from "../ids.ts";
import { limits } from "../limits.ts";
import type { Effect } from "./effect.ts";
import { isEvent, phases, type Envelope } from "./envelope.ts";
import { fewResults, piecesOf, withDetached, within } from "./merge-receipts.ts";
import type { NeighbourView, World } from "./neighbour.ts";
import type { Caller, OpenMessage } from "./open-message.ts";
import { changesBetween, nothingGone, type Changes } from "./receipt-changes.ts";
import { emptyReceipt, type NodeResult, type Receipt } from "./receipt.ts";
import type { Since } from "./receipt-wire.ts";

export class Reports {
  readonly #self: NodeName;
  /** Of the next receipt of this life. */
  #number = 0;

  constructor(self: NodeName) {
    this.#self = self;
  }

  /** How far the message is, for whoever waits for it. */
  report({ monotonicMs }: World, message: OpenMessage): readonly Effect[] {
    const { caller, envelope, ended } = message;
    message.dirty = false;
    message.reportedMonotonicMs = monotonicMs;
    if (caller.kind === "local") {
      if (isEvent(envelope) || caller.replies.size === 0) return [];
      const receipt = within(ended?.receipt ?? withDetached(message.receipt(this.#self), message.bounds), fewResults);
      return [{ type: "reply", to: caller.replies, envelope, report: { receipt, isFinal: ended !== undefined } }];
    }
    // Whoever hears that an event is here forgets it: not before it is on disk.
    if (isEvent(envelope) && !(envelope.durable && message.kept === "yes")) return [];
    return this.#frames(message, caller, message.report(this.#self));
  }

  /** As `report`, for one who may have lost what was said before. */
  repeat(world: World, message: OpenMessage): readonly Effect[] {
    message.told = undefined;
    return this.report(world, message);
  }

  /** The node is counted elsewhere, or has nothing to say. */
  nothing({ key }: NeighbourView, { id, look }: Envelope): Effect {
    const frame = { id, phase: phases.cancel, number: this.#number++, look, receipt: emptyReceipt };
    return { type: "report", to: key, frame };
  }

  /** What single nodes made of it, for a caller who wants that. */
  results({ caller, stream, id, envelope: { encoding } }: OpenMessage): readonly Effect[] {
    if (stream === undefined || caller.kind !== "local" || caller.results === undefined) return [];
    const results = stream.take();
    return results.length === 0 ? [] : [{ type: "results", id, to: caller.results, encoding, results }];
  }

  #frames(
    message: OpenMessage,
    { key: to }: Caller & { readonly kind: "neighbour" },
    receipt: Receipt,
  ): readonly Effect[] {
    const { told, id, phase, callersLook: look } = message;
    const changes = told === undefined ? undefined : changesSince(told.receipt, receipt);
    const said = changes ?? { receipt, gone: nothingGone };
    const pieces = piecesOf(said.receipt.results);
    let since: Since | undefined =
      changes === undefined || told === undefined ? undefined : { number: told.number, gone: nothingGone };
    const effects: Effect[] = [];
    for (const [index, results] of pieces.entries()) {
      const number = this.#number++;
      const isPart = index < pieces.length - 1;
      const body = isPart ? partOf(results) : { ...said.receipt, results };
      const after = since && { since: isPart ? since : { ...since, gone: said.gone } };
      const frame = { id, phase, number, look, receipt: body, ...after, ...(isPart && { isPart }) };
      effects.push({ type: "report", to, frame });
      since = { number, gone: nothingGone };
    }
    message.told = { number: this.#number - 1, receipt };
    return effects;
  }
}

/** Undefined where all of it is shorter, or fits into a frame better. */
function changesSince(before: Receipt, after: Receipt): Changes | undefined {
  const changes = changesBetween(before, after);
  const lists: readonly (readonly unknown[])[] = Object.values(changes.gone);
  return lists.every((list) => list.length <= limits.callResults) ? changes : undefined;
}

function partOf(results: readonly NodeResult[]): Receipt {
  return { ...emptyReceipt, results, complete: false, settled: false };
}
