// Runs a function on this node: one that is built in, or whatever local program has subscribed to its topic. A program is asked by
// a message with named fields and answers on the topic that stands in it.
import { limits } from "#shared/limits.ts";
import { drawCallId } from "#shared/machine/call-id.ts";
import type { Encoding } from "#shared/machine/envelope.ts";
import { toPlainValue, type PlainValue } from "#shared/machine/plain-value.ts";
import { encodeReply, isCborMap, parseJson } from "#shared/machine/request.ts";
import { decodeCbor } from "#shared/cbor.ts";
import type { Bus } from "#shared/system/bus.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { Random } from "#shared/system/random.ts";
import type { BuiltIn } from "./built-in.ts";

/** How a run ended. */
export type Outcome =
  | { readonly status: "done"; readonly value: PlainValue }
  | { readonly status: "failed" | "refused"; readonly reason: string };

export interface Run {
  readonly id: string;
  readonly name: string;
  readonly args: PlainValue;
  readonly origin: string;
  readonly deadlineMs: number;
  readonly encoding: Encoding;
  /** Topic that programs which offer the function are subscribed to. */
  readonly topic: string;
}

export interface FunctionRunner extends Disposable {
  /** Whether anybody here offers the function. */
  offers(run: Pick<Run, "name" | "topic">): boolean;
  /** Starts it; `ended` hears once, unless `cancel` came before. */
  start(run: Run, ended: (outcome: Outcome) => void): void;
  /** Nobody waits for the answer any more. */
  cancel(id: string): void;
}

export interface FunctionRunnerDeps {
  readonly bus: Pick<Bus, "publish" | "hasSubscriber" | "intercept">;
  readonly builtIns: ReadonlyMap<string, BuiltIn>;
  readonly random: Random;
  readonly log: Logger;
}

/** `answerPrefix`: programs answer on this and the id of the run, such as `/machine/results/`. One runner serves one kind of calls. */
export function startFunctionRunner(deps: FunctionRunnerDeps, answerPrefix: string): FunctionRunner {
  const waiting = new Map<string, { readonly token: string; readonly ended: (outcome: Outcome) => void }>();
  /** What stands in a program's answer topic instead of the id, which others may know. */
  const idByToken = new Map<string, string>();
  const answers = deps.bus.intercept(`${answerPrefix}+`, ({ topic, payload }, settle) => {
    settle({ type: "take" });
    const id = idByToken.get(topic.slice(answerPrefix.length));
    if (id !== undefined) end(id, readAnswer(payload));
  });

  return {
    offers: ({ name, topic }) => deps.builtIns.has(name) || deps.bus.hasSubscriber(topic),
    start(run, ended) {
      const builtIn = deps.builtIns.get(run.name);
      if (builtIn === undefined && !deps.bus.hasSubscriber(run.topic)) {
        ended({ status: "refused", reason: `nobody on this node offers the function "${run.name}"` });
        return;
      }
      const token = drawCallId(deps.random);
      waiting.set(run.id, { token, ended });
      idByToken.set(token, run.id);
      ask(run, token);
      if (builtIn !== undefined) void runBuiltIn(builtIn, run.args).then((outcome) => end(run.id, outcome));
    },
    cancel: (id) => void forget(id),
    [Symbol.dispose]() {
      answers[Symbol.dispose]();
      waiting.clear();
    },
  };

  function end(id: string, outcome: Outcome): void {
    forget(id)?.(bounded(outcome));
  }

  /** Answers whom to tell. */
  function forget(id: string): ((outcome: Outcome) => void) | undefined {
    const run = waiting.get(id);
    if (run === undefined) return undefined;
    waiting.delete(id);
    idByToken.delete(run.token);
    return run.ended;
  }

  /** Programs hear of a call of a built-in function too; only the first answer counts. */
  function ask({ id, name, args, origin, deadlineMs, encoding, topic }: Run, token: string): void {
    const deadline = new Date(deadlineMs).toISOString();
    const payload = encodeReply({ id, name, args, origin, deadline, reply: `${answerPrefix}${token}` }, encoding);
    deps.bus.publish({ topic, payload, qos: 0, retain: false }).catch((error: unknown) => {
      deps.log.warn({ name, error: String(error) }, "call not passed to local programs");
    });
  }
}

async function runBuiltIn(builtIn: BuiltIn, args: PlainValue): Promise<Outcome> {
  try {
    return { status: "done", value: await builtIn(args) };
  } catch (error) {
    return { status: "failed", reason: error instanceof Error ? error.message : String(error) };
  }
}

/** `{"result": …}` or `{"error": "…"}`, in JSON or CBOR; any JSON value that is no object is the result itself. */
function readAnswer(payload: Uint8Array): Outcome {
  const value = isCborMap(payload) ? toPlainValue(decodeCbor(payload)?.value) : parseJson(payload);
  const garbage: Outcome = {
    status: "failed",
    reason: 'the program answered garbage: it must be {"result": …} or {"error": "…"}',
  };
  if (value === undefined) return garbage;
  if (value === null || typeof value !== "object" || Array.isArray(value) || value instanceof Uint8Array)
    return { status: "done", value };
  const { result, error, ...rest } = value as { readonly [key: string]: PlainValue };
  if (Object.keys(rest).length > 0 || (result === undefined) === (error === undefined)) return garbage;
  if (result !== undefined) return { status: "done", value: result };
  return { status: "failed", reason: typeof error === "string" ? error : JSON.stringify(error) };
}

function bounded(outcome: Outcome): Outcome {
  if (outcome.status !== "done") return { ...outcome, reason: outcome.reason.slice(0, limits.callReasonChars) };
  const bytes = encodeReply(outcome.value, "cbor").length;
  if (bytes <= limits.callResultBytes) return outcome;
  return {
    status: "failed",
    reason: `the result has ${bytes} bytes, more than the ${limits.callResultBytes} that a receipt carries`,
  };
}
