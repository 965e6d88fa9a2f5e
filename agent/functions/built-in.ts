// Functions that every node has.
import { FogbankError } from "#shared/errors.ts";
import type { PlainValue } from "#shared/machine/plain-value.ts";

export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** The level of the running log, to read and to set. */
export interface LogControl {
  level(): LogLevel;
  setLevel(level: LogLevel): void;
}

export interface BuiltInDeps {
  readonly now: () => number;
  readonly log: LogControl;
  readonly info: () => { readonly [key: string]: PlainValue };
  /** What a condition comes to on this node, and why. */
  readonly explain: (
    condition: string,
  ) => { readonly result: string; readonly why: string } | { readonly error: string };
}

/** Answers, or throws an error whose message tells the caller why not. */
export type BuiltIn = (args: PlainValue) => PlainValue | Promise<PlainValue>;

export function builtInFunctions(deps: BuiltInDeps): ReadonlyMap<string, BuiltIn> {
  return new Map<string, BuiltIn>([
    ["ping", () => ({ time: new Date(deps.now()).toISOString() })],
    ["echo", (args) => args],
    ["info", () => deps.info()],
    ["log-level", (args) => setLogLevel(deps.log, args)],
    ["explain-condition", (args) => explainCondition(deps.explain, args)],
  ]);
}

function explainCondition(explain: BuiltInDeps["explain"], args: PlainValue): PlainValue {
  if (typeof args !== "string")
    throw new FogbankError("FOGBANK_CALL_REFUSED", "explain-condition takes a text: a condition in CEL");
  const explained = explain(args);
  if ("error" in explained)
    throw new FogbankError("FOGBANK_CALL_REFUSED", `the condition cannot be used: ${explained.error}`);
  return { result: explained.result, why: explained.why };
}

/** Without arguments it only tells. */
function setLogLevel(log: LogControl, args: PlainValue): PlainValue {
  const before = log.level();
  if (args === null) return { level: before };
  const wanted = logLevels.find((level) => level === args);
  if (wanted === undefined) {
    throw new FogbankError("FOGBANK_CALL_REFUSED", `log-level takes one of ${logLevels.join(", ")}, or null to ask`);
  }
  log.setLevel(wanted);
  return { level: wanted, before };
}
