// Runs a function on this node: one that is built in, an executable of the functions directory, or whatever local program has
// subscribed to its topic, looked for in this order. Arguments are held against the schema of whoever runs it.
import { limits } from "#shared/limits.ts";
import type { PlainValue } from "#shared/machine/plain-value.ts";
import { encodeReply } from "#shared/machine/request.ts";
import type { BuiltIn } from "./built-in.ts";
import type { Executables } from "./executables.ts";
import { startProgramCalls, type ProgramCallsDeps } from "./program-calls.ts";
import type { Outcome, Run } from "./run.ts";
import type { SchemaChecks } from "./schema-checks.ts";

export interface FunctionRunner extends Disposable {
  /** Whether anybody here offers the function. */
  offers(run: Pick<Run, "name" | "topic">): boolean;
  /** Starts it; `ended` hears once, unless `cancel` came before. */
  start(run: Run, ended: (outcome: Outcome) => void): void;
  /** Nobody waits for the answer any more: what runs is stopped. */
  cancel(id: string): void;
}

export interface FunctionRunnerDeps extends ProgramCallsDeps {
  readonly builtIns: ReadonlyMap<string, BuiltIn>;
  /** Absent: there is no functions directory. */
  readonly executables: Pick<Executables, "offers" | "schema" | "run"> | undefined;
  readonly schemas: Pick<SchemaChecks, "ofPrograms" | "by">;
}

/** A run that has not ended. */
interface Running {
  readonly stop: AbortController;
  readonly ended: (outcome: Outcome) => void;
}

/** `answerPrefix`: programs answer below it, such as `/machine/results/`. One runner serves one kind of calls. */
export function startFunctionRunner(deps: FunctionRunnerDeps, answerPrefix: string): FunctionRunner {
  const { builtIns, executables, schemas } = deps;
  const programs = startProgramCalls(deps, answerPrefix);
  const running = new Map<string, Running>();

  return {
    offers: ({ name, topic }) => builtIns.has(name) || executables?.offers(name) === true || programs.offers(topic),
    start(run, ended) {
      const started: Running = { stop: new AbortController(), ended };
      running.set(run.id, started);
      try {
        begin(run, started);
      } catch (error) {
        // What goes wrong with one function must not end the node.
        endOf(run.id, started, { status: "failed", reason: String(error) });
      }
    },
    cancel(id) {
      running.get(id)?.stop.abort();
      running.delete(id);
      programs.cancel(id);
    },
    [Symbol.dispose]() {
      for (const { stop } of running.values()) stop.abort();
      running.clear();
      programs[Symbol.dispose]();
    },
  };

  function begin(run: Run, started: Running): void {
    const { name, args, topic } = run;
    const end = (outcome: Outcome): void => endOf(run.id, started, outcome);
    const refuse = (reason: string): void => end({ status: "refused", reason });
    const builtIn = builtIns.get(name);
    if (builtIn !== undefined) {
      // Programs hear of it too, and may answer first.
      programs.ask(run, end, "may");
      void runBuiltIn(builtIn, args).then(end);
    } else if (executables?.offers(name) === true) {
      const problem = schemas.by(executables.schema(name), args);
      if (problem !== undefined) refuse(problem);
      else
        executables
          .run(run, started.stop.signal)
          .then(end, (error: unknown) => end({ status: "failed", reason: String(error) }));
    } else if (programs.offers(topic)) {
      const problem = schemas.ofPrograms(name, args);
      if (problem !== undefined) refuse(problem);
      else programs.ask(run, end, "must");
    } else refuse(`nobody on this node offers the function "${name}"`);
  }

  function endOf(id: string, started: Running, outcome: Outcome): void {
    if (running.get(id) !== started) return;
    running.delete(id);
    programs.forget(id);
    started.ended(bounded(outcome));
  }
}

async function runBuiltIn(builtIn: BuiltIn, args: PlainValue): Promise<Outcome> {
  try {
    return { status: "done", value: await builtIn(args) };
  } catch (error) {
    return { status: "failed", reason: error instanceof Error ? error.message : String(error) };
  }
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
