// Calls and events of one node: machine messages and level functions, with what runs them here.
import { ConditionCache } from "#shared/condition/condition-cache.ts";
import { evaluateCondition } from "#shared/condition/evaluate.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { ParentLink } from "#shared/system/parent-link.ts";
import type { Random } from "#shared/system/random.ts";
import { levelResultPrefix, machineResultPrefix } from "#shared/topics.ts";
import type { Broker } from "./broker/broker.ts";
import type { NodeConfig } from "./config/config.ts";
import { builtInFunctions, type LogControl } from "./functions/built-in.ts";
import { startExecutables, type Executables } from "./functions/executables.ts";
import { startFunctionRunner, type FunctionRunnerDeps } from "./functions/function-runner.ts";
import { startSchemaChecks } from "./functions/schema-checks.ts";
import { startLevelCalls } from "./level/level-calls.ts";
import { startMachineMessages, type ConditionCheck, type MachineMessaging } from "./machine/machine-messages.ts";
import type { Presence } from "./presence/presence.ts";
import type { NodeStore } from "./store/node-store.ts";

export interface CallsDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The threshold of that log. */
  readonly logControl: LogControl;
  /** Of the program. */
  readonly version: string;
}

export interface CallsParts {
  readonly broker: Broker;
  readonly store: NodeStore;
  readonly presence: Presence;
  readonly parent: ParentLink;
  /** Tree time, milliseconds since 1970. */
  readonly treeNow: () => number;
}

/** Runs until it is disposed. */
export function startCalls(
  { clock, random, log, logControl, version }: CallsDeps,
  config: NodeConfig,
  parts: CallsParts,
): MachineMessaging {
  const { broker: bus, store, presence, parent, treeNow } = parts;
  const { name, level, zone, tags } = config;
  const startedMs = clock.monotonic();
  const builtIns = builtInFunctions({
    now: () => clock.now(),
    log: logControl,
    info: () => ({
      name,
      level,
      ...(zone === undefined ? {} : { zone }),
      tags,
      version,
      uptimeSeconds: Math.round((clock.monotonic() - startedMs) / 1000),
      uplink: presence.uplink().state,
      children: presence.onlineChildren(),
    }),
  });
  const conditions = new ConditionCache();
  const stack = new AsyncDisposableStack();
  const schemas = stack.use(startSchemaChecks(bus));
  const executables = startExecutablesOf({ clock, log }, config);
  if (executables !== undefined) stack.use(executables);
  const onClientGone: FunctionRunnerDeps["onClientGone"] = (listener) =>
    bus.onClient(({ type, clientId }) => {
      if (type === "disconnected") listener(clientId);
    });
  const running = { bus, onClientGone, builtIns, executables, schemas, random, log };
  const runner = stack.use(startFunctionRunner(running, machineResultPrefix));
  const levelRunner = stack.use(startFunctionRunner(running, levelResultPrefix));
  stack.use(startLevelCalls({ bus, runner: levelRunner, clock, random, log }, name));
  const check = (text: string): ReturnType<ConditionCheck> => {
    const parsed = conditions.parse(text);
    if ("error" in parsed) {
      const { message, position } = parsed.error;
      return { error: `line ${position.line}, column ${position.column}: ${message}` };
    }
    const subject = { name, level, zone, tags, depth: presence.path().length - 1 };
    return { holds: evaluateCondition(parsed.ok, subject) };
  };
  const machine = stack.use(
    startMachineMessages({ bus, store, parent, tree: presence, runner, check, clock, treeNow, random, log }, name),
  );
  return {
    stats: () => machine.stats(),
    endAll: () => machine.endAll(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function startExecutablesOf(
  deps: Pick<CallsDeps, "clock" | "log">,
  { name, functions, insecure }: NodeConfig,
): Executables | undefined {
  if (functions.directory === undefined) return undefined;
  const { directory, maxSeconds, atOnce } = functions;
  const searchPath = process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin";
  return startExecutables(deps, { directory, maxSeconds, atOnce, insecure, node: name, searchPath });
}
