// `fogbank run`: starts this node, says READY when it accepts clients, stops gently at the first signal.
import { Command } from "commander";
import { FogbankError } from "#shared/errors.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import { loadConfig, type ConfigSources, type LoadedConfig, type NodeConfig } from "../config/config.ts";
import { systemConfigFile } from "../config/system-file.ts";
import { formatListenAddress, formatMqttAddress } from "../config/listen-address.ts";
import type { LogControl } from "../functions/built-in.ts";
import type { RunningNode } from "../node.ts";
import type { ServiceManager } from "../service/service-manager.ts";
import { startServiceNotices } from "../service/service-notices.ts";
import type { ControlledLogger } from "../system/pino-logger.ts";
import { addAssignment, type Assignment } from "./assignment.ts";
import { holdHangUps } from "./held-hang-ups.ts";

export interface RunCommandIo extends Pick<ConfigSources, "env" | "readFile" | "hostname"> {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Aborts at the first signal to stop. */
  readonly signal: AbortSignal;
  /** From then on a hang-up calls `listener` instead of stopping the program. */
  readonly onHangUp: (listener: () => void) => Disposable;
  readonly pid: number;
  readonly clock: Clock;
}

export interface RunDeps {
  createLog(level: NodeConfig["logLevel"]): ControlledLogger;
  start(config: NodeConfig, log: Logger, logControl: LogControl): Promise<RunningNode>;
  /** Who has started this process as a service, if anybody has. */
  serviceManager(log: Logger): ServiceManager | undefined;
  /** Keeps this thread's memory small until it is disposed. */
  careForMemory(): Disposable;
}

interface RunOptions {
  readonly config?: string;
  readonly set: readonly Assignment[];
}

/** Ends with commander's CommanderError when the node cannot start: exit code 2 for a configuration that cannot be used, else 1. */
export function runCommand(io: RunCommandIo, deps: RunDeps): Command {
  return new Command("run")
    .description("run a node")
    .option(
      "--config <file>",
      "configuration file in libconfig syntax; without it, /etc/fogbank/fogbank.conf or a utopiad.conf, if there is one",
    )
    .option("--set <key=value>", "set one value, such as level=fog; may be repeated", addAssignment, [])
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr })
    .action(async (options: RunOptions, command: Command) => {
      const hangUps = holdHangUps(io.onHangUp);
      const file = options.config ?? systemConfigFile(io.readFile);
      const read = (): LoadedConfig => loadConfig({ ...io, file, flags: Object.fromEntries(options.set) });
      const loaded = load(read, command);
      const { config, warnings } = loaded;
      const root = deps.createLog(config.logLevel);
      const log = root.child({ node: config.name });
      if (file !== undefined) log.info({ file }, "configuration file");
      for (const warning of warnings) log.warn({ warning }, "configuration");
      const node = await startOrFail(() => deps.start(config, log, root), command);
      const { mqtt, http } = node;
      const ready = {
        name: config.name,
        mqtt: mqtt.map(formatMqttAddress),
        http: http.map(formatListenAddress),
        pid: io.pid,
      };
      io.stdout(`READY ${JSON.stringify(ready)}\n`);
      log.info({ level: config.level, ...ready }, "node started");
      hangUps.release(() => {
        log.info({}, "reload asked for");
        tellWhatNeedsRestart(loaded, read, log);
        node.reload();
      });
      const service = startServiceNotices(
        { manager: deps.serviceManager(log), clock: io.clock, log, proveLife: () => node.proveLife() },
        `${config.level} ${config.name} serves ${ready.mqtt.join(" ")}`,
      );
      const memory = deps.careForMemory();
      await aborted(io.signal);
      memory[Symbol.dispose]();
      hangUps[Symbol.dispose]();
      log.info({ reason: String(io.signal.reason) }, "node stops");
      await Promise.all([service.stopping(), node[Symbol.asyncDispose]()]);
      log.info({}, "node stopped");
    });
}

function load(read: () => LoadedConfig, command: Command): LoadedConfig {
  try {
    return read();
  } catch (error) {
    return fail(command, error, 2);
  }
}

async function startOrFail(start: () => Promise<RunningNode>, command: Command): Promise<RunningNode> {
  try {
    return await start();
  } catch (error) {
    return fail(command, error, 1);
  }
}

function fail(command: Command, error: unknown, exitCode: number): never {
  if (!(error instanceof FogbankError)) throw error;
  return command.error(`${error.code}: ${error.message}`, { exitCode, code: error.code });
}

/** The configuration itself holds until the end: what differs now is said. */
function tellWhatNeedsRestart(running: LoadedConfig, read: () => LoadedConfig, log: Logger): void {
  try {
    const now = new Map(read().entries.map(({ key, value }) => [key, JSON.stringify(value)]));
    const settings = running.entries.flatMap(({ key, value }) => (now.get(key) === JSON.stringify(value) ? [] : [key]));
    if (settings.length > 0) log.warn({ settings }, "changed settings that need a restart");
  } catch (error) {
    if (!(error instanceof FogbankError)) throw error;
    log.error({ code: error.code, reason: error.message }, "the configuration could not be used at the next start");
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
