// A command that is done only when every addressee has said so in the coordinator [U26]: at the server that gives it. Bodies go over MQTT;
// in the coordinator each addressee has one entry for the command, written after it has done it, and there for whoever reads later.
//
//   open --every addressee has its entry--> done          open --deadline--> failed, with the names that are missing

export interface AcknowledgedCommand {
  readonly at: "open" | "ended";
  /** Whose entry is not there yet, in the order in which they were addressed. */
  readonly missing: readonly string[];
  readonly deadlineMs: number;
}

export type CommandEvent =
  /** All entries that there are. Those of others count for nothing. */
  { readonly type: "entries"; readonly names: readonly string[] } | { readonly type: "tick" };

/** Exactly one of them, once. */
export type CommandEffect =
  | { readonly type: "done" }
  | { readonly type: "failed"; readonly missing: readonly string[] };

/** A command for nobody is done. */
export function newAcknowledgedCommand(
  addressees: readonly string[],
  deadlineMs: number,
): readonly [AcknowledgedCommand, readonly CommandEffect[]] {
  return endIfDone({ at: "open", missing: [...new Set(addressees)], deadlineMs });
}

/** `nowMs` never steps back. Entries that are told at the deadline count. */
export function stepAcknowledgedCommand(
  state: AcknowledgedCommand,
  event: CommandEvent,
  nowMs: number,
): readonly [AcknowledgedCommand, readonly CommandEffect[]] {
  if (state.at === "ended") return [state, []];
  switch (event.type) {
    case "entries":
      return endIfDone({ ...state, missing: state.missing.filter((name) => !event.names.includes(name)) });
    case "tick":
      if (nowMs < state.deadlineMs) return [state, []];
      return [{ ...state, at: "ended" }, [{ type: "failed", missing: state.missing }]];
  }
}

function endIfDone(state: AcknowledgedCommand): readonly [AcknowledgedCommand, readonly CommandEffect[]] {
  return state.missing.length === 0 ? [{ ...state, at: "ended" }, [{ type: "done" }]] : [state, []];
}
