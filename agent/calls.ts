// Calls and events of one node: machine messages and level functions, with what runs them here.
import { limits } from "#shared/limits.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { ParentLink } from "#shared/system/parent-link.ts";
import type { Random } from "#shared/system/random.ts";
import { levelResultPrefix, machineResultPrefix } from "#shared/topics.ts";
import type { NoticedSubscriptions } from "./auth/noticed-subscriptions.ts";
import type { Broker } from "./broker/broker.ts";
import type { Conditions } from "./conditions/conditions.ts";
import type { NodeConfig } from "./config/config.ts";
import { builtInFunctions, type BuiltIn, type LogControl } from "./functions/built-in.ts";
import { startExecutables, type Executables } from "./functions/executables.ts";
import { startFunctionRunner, type FunctionRunnerDeps } from "./functions/function-runner.ts";
import { refuseStrayCalls } from "./functions/stray-calls.ts";
import { startSchemaChecks } from "./functions/schema-checks.ts";
import { type LevelStats, startLevelCalls } from "./level/level-calls.ts";
import { followOfferedNames } from "./machine/offered-names.ts";
import { startMachineMessages, type MachineMessaging } from "./machine/machine-messages.ts";
import type { Presence } from "./presence/presence.ts";
import type { NodeStore } from "./store/node-store.ts";

export interface CallsDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The threshold of that log. */
  readonly logControl: LogControl;
  readonly version: string;
}

/** What of the node takes part. */
export interface CallsParts {
  readonly broker: Broker;
  readonly store: NodeStore;
  readonly presence: Presence;
  readonly conditions: Conditions;
  readonly parent: ParentLink;
  /** Tree time, milliseconds since 1970. */
  readonly treeNow: () => number;
  /** Whether that stems from a root. */
  readonly isSynced: () => boolean;
  /** What the node's database may grow to. */
  readonly maxBytes: number;
  readonly onSubscribing: NoticedSubscriptions["onSubscribing"];
}

export interface Calls extends MachineMessaging {
  /** Of level functions. */
  levelStats(): LevelStats;
}

/** Runs until it is disposed. */
export async function startCalls(deps: CallsDeps, config: NodeConfig, parts: CallsParts): Promise<Calls> {
  const { clock, random, log } = deps;
  const { broker: bus, store, presence, conditions, parent, treeNow, isSynced, maxBytes, onSubscribing } = parts;
  const { name } = config;
  await using stack = new AsyncDisposableStack();
  const schemas = stack.use(startSchemaChecks(bus));
  const stray = stack.use(refuseStrayCalls(bus));
  const executables = startExecutablesOf(deps, config);
  if (executables !== undefined) stack.use(executables);
  const onClientGone: FunctionRunnerDeps["onClientGone"] = (listener) =>
    bus.onClient(({ type, clientId }) => {
      if (type === "disconnected") listener(clientId);
    });
  const running = {
    bus,
    clock,
    onClientGone,
    builtIns: builtInsOf(deps, config, parts),
    executables,
    schemas,
    random,
    log,
  };
  const runner = stack.use(startFunctionRunner(running, machineResultPrefix));
  const levelRunner = stack.use(startFunctionRunner(running, levelResultPrefix));
  const check: Conditions["check"] = (text) => conditions.check(text);
  const levelCalls = stack.use(
    startLevelCalls(
      { bus, parent, path: () => presence.path(), runner: levelRunner, check, clock, treeNow, random, log },
      name,
    ),
  );
  const offers = stack.use(
    await followOfferedNames({ bus, store, clock, log, onSubscribing, onClient: (listener) => bus.onClient(listener) }),
  );
  const keptBytesMax = Math.min(limits.keptCallBytes, maxBytes * limits.keptCallShare);
  const machine = stack.use(
    await startMachineMessages(
      { bus, store, parent, tree: presence, runner, offers, conditions, clock, treeNow, isSynced, random, log },
      { name, keptBytesMax },
    ),
  );
  const owned = stack.move();
  return {
    stats() {
      const stats = machine.stats();
      return { ...stats, refused: stats.refused + stray.refused() };
    },
    levelStats: () => levelCalls.stats(),
    endAll() {
      machine.endAll();
      levelCalls.endAll();
    },
    raise: (event) => machine.raise(event),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function builtInsOf(
  { clock, logControl, version }: CallsDeps,
  { name, level, zone, tags, lat, lon, class: kind }: NodeConfig,
  { presence, conditions }: CallsParts,
): ReadonlyMap<string, BuiltIn> {
  const startedMs = clock.monotonic();
  return builtInFunctions({
    now: () => clock.now(),
    log: logControl,
    info: () => ({
      name,
      level,
      ...(zone === undefined ? {} : { zone }),
      tags,
      ...(lat === undefined ? {} : { lat }),
      ...(lon === undefined ? {} : { lon }),
      ...(kind === undefined ? {} : { class: kind }),
      version,
      uptimeSeconds: Math.round((clock.monotonic() - startedMs) / 1000),
      uplink: presence.uplink().state,
      children: presence.onlineChildren(),
    }),
    explain: (text) => conditions.explainHere(text),
  });
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
