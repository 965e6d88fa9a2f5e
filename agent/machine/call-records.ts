// What the store knows of the ids of calls that ran here. At most once: an id is durable before anything happens.
import { asFogbankError } from "#shared/errors.ts";
import { bytesOfCallId } from "#shared/machine/call-id.ts";
import type { Effect, Recorded } from "#shared/machine/effect.ts";
import type { NodeStore } from "../store/node-store.ts";
import { encodeOutcome, recordedOf } from "./outcome-record.ts";

interface Deps {
  readonly store: Pick<NodeStore, "write" | "read">;
  /** Tree time, milliseconds since 1970. */
  readonly treeNow: () => number;
}

export class CallRecords {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Never rejects: whoever cannot write it down refuses. */
  async ask(effect: Effect & { readonly type: "remember" | "recall" }): Promise<Recorded> {
    const { store, treeNow } = this.#deps;
    const id = bytesOfCallId(effect.id);
    try {
      return recordedOf(
        effect.type === "recall"
          ? await store.read("recall", { id })
          : await store.write("remember", { id, deadlineMs: effect.deadlineMs, nowMs: treeNow() }, "urgent"),
      );
    } catch (error) {
      return { type: "refused", reason: `the call could not be made durable (${asFogbankError(error).code})` };
    }
  }

  /** Resolves when the outcome is durable. */
  async settle({ id, name, deadlineMs, result, isAwaited }: Effect & { readonly type: "outcome" }): Promise<void> {
    const { store, treeNow } = this.#deps;
    const args = { id: bytesOfCallId(id), deadlineMs, nowMs: treeNow(), ...encodeOutcome(result, name) };
    await store.write("settleCall", args, isAwaited ? "urgent" : "lazy");
  }
}
