// The edge of the process: arguments, signals, exit code; and the only place that may load cloud/.
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { limits } from "#shared/limits.ts";
import { documentsFileName } from "#shared/system/document-store.ts";
import type { Logger } from "#shared/system/logger.ts";
import { startCoreBroker } from "./broker/core-broker.ts";
import { benchCommand } from "./cli/bench-hollow.ts";
import { callCommand } from "./cli/call.ts";
import { configCommand } from "./cli/config.ts";
import { doctorCommand } from "./cli/doctor.ts";
import { explainCommand } from "./cli/explain.ts";
import { explainConditionCommand } from "./cli/explain-condition.ts";
import { installCommand, uninstallCommand, type InstallDeps } from "./cli/install.ts";
import type { CliIo } from "./cli/io.ts";
import { journalCommand } from "./cli/journal.ts";
import { noticesCommand } from "./cli/notices.ts";
import { pubCommand } from "./cli/pub.ts";
import { raiseCommand } from "./cli/raise.ts";
import { runCommand, type RunCommandIo, type RunDeps } from "./cli/run.ts";
import { userCommand } from "./cli/user.ts";
import { statusCommand } from "./cli/status.ts";
import { subCommand } from "./cli/sub.ts";
import { mqttParent } from "./link/mqtt-parent.ts";
import { startNode } from "./node.ts";
import { findServiceManager } from "./service/service-manager.ts";
import { openNodeStore } from "./store/node-store.ts";
import { newestDamaged } from "./store/salvage-files.ts";
import type { SalvageReport } from "./store/salvage.ts";
import { salvagingSqlDatabases } from "./store/sql-database.ts";
import { embeddedText } from "./system/assets.ts";
import { startHeapCare } from "./system/heap-care.ts";
import { createPinoLogger } from "./system/pino-logger.ts";
import { nodeHasher } from "./system/node-hasher.ts";
import { askSecret } from "./system/secret-prompt.ts";
import { databaseFingerprint } from "./system/database-fingerprint.ts";
import { runProgram } from "./system/run-program.ts";
import { systemClock } from "./system/system-clock.ts";
import { systemRandom } from "./system/system-random.ts";
import { version } from "./version.ts";

const exitInterrupted = 130;
const exitUsage = 2;
/** For programs that change the machine. A start of the service takes as long as its unit allows. */
const adminEnvironment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
const adminMsMax = 20 * 60_000;

void main();

async function main(): Promise<void> {
  const done = new AbortController();
  const hangUp: HangUp = { listener: undefined };
  const io = { ...processIo(stopSignal(done.signal, hangUp)), onHangUp: onHangUp(hangUp), pid: process.pid };
  const program = new Command("fogbank")
    .description("one agent for device, fog and cloud")
    .version(version)
    .exitOverride()
    .addCommand(runCommand(io, runDeps()))
    .addCommand(statusCommand(io))
    .addCommand(explainCommand(io))
    .addCommand(pubCommand(io))
    .addCommand(subCommand(io))
    .addCommand(callCommand(io, systemRandom))
    .addCommand(raiseCommand(io, systemRandom))
    .addCommand(explainConditionCommand(io, systemRandom))
    .addCommand(userCommand(io))
    .addCommand(journalCommand(io))
    .addCommand(configCommand(io))
    .addCommand(doctorCommand(io, systemRandom))
    .addCommand(benchCommand(io, systemRandom, () => process.memoryUsage.rss()))
    .addCommand(installCommand(io, installDeps()))
    .addCommand(uninstallCommand(io, installDeps()))
    .addCommand(noticesCommand(io, () => embeddedText("NOTICES")));
  try {
    await program.parseAsync(process.argv);
    if (io.signal.reason === "SIGINT") process.exitCode = exitInterrupted;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander's own complaints are about usage; its help and version end well.
    const isUsage = error.code.startsWith("commander.") && error.exitCode !== 0;
    process.exitCode = isUsage ? exitUsage : error.exitCode;
  } finally {
    done.abort();
  }
}

/** Who wants to hear of a hang-up; without anybody it stops the program. */
interface HangUp {
  listener: (() => void) | undefined;
}

function onHangUp(hangUp: HangUp): RunCommandIo["onHangUp"] {
  return (listener) => {
    hangUp.listener = listener;
    return { [Symbol.dispose]: () => void (hangUp.listener = undefined) };
  };
}

/** Aborts at the first signal, with its name; the second ends the process at once, as does the end of the time to stop. */
function stopSignal(done: AbortSignal, hangUp: HangUp): AbortSignal {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (name === "SIGHUP" && hangUp.listener !== undefined) return hangUp.listener();
      if (stop.signal.aborted) process.exit(exitInterrupted);
      stop.abort(name);
      void endAnyway(done);
    });
  }
  return stop.signal;
}

async function endAnyway(done: AbortSignal): Promise<void> {
  await systemClock.sleep(limits.stopMs, done).catch(() => undefined);
  if (done.aborted) return;
  process.stderr.write(`not stopped within ${limits.stopMs / 1000} s: ending now\n`);
  process.exit(1);
}

function runDeps(): RunDeps {
  return {
    createLog: createPinoLogger,
    serviceManager: (log) => findServiceManager({ env: process.env, pid: process.pid, log, run: runProgram }),
    careForMemory: () => startHeapCare(systemClock),
    start: (config, log, logControl) =>
      startNode(
        {
          logControl,
          clock: systemClock,
          random: systemRandom,
          log,
          openStore: (database) =>
            openNodeStore(
              {
                clock: systemClock,
                onCrash: (error) => crash(log, error),
                onSalvaged: (report) => tellSalvaged(log, report),
              },
              database,
            ),
          createBroker: (authorizer, store) =>
            startCoreBroker({ clock: systemClock, random: systemRandom, log, store }, { authorizer }),
          dialParent: (uplink) => mqttParent(systemClock, uplink),
          hasDocuments: (dataDir) => config.documents !== undefined || existsSync(join(dataDir, documentsFileName)),
          openDocuments: async (dataDir) => {
            const { startCloud } = await import("#cloud/cloud.ts");
            const openDocuments = salvagingSqlDatabases((report) => tellSalvaged(log, report));
            const mongodb = config.documents && { ...config.documents, owner: config.name };
            const drawInstance = (): number => 1 + systemRandom.uint32();
            const deps = { openSqlDatabase: openDocuments, dataDir, hasher: nodeHasher, log, drawInstance };
            const cloud = await startCloud({ ...deps, ...(mongodb && { mongodb }) });
            if (cloud.file === undefined) return { ...cloud, mayBeAway: true };
            return { ...cloud, damaged: newestDamaged(cloud.file) };
          },
          fingerprint: databaseFingerprint,
          version,
          pid: process.pid,
        },
        config,
      ),
  };
}

function installDeps(): InstallDeps {
  const embedded = (): string | undefined => embeddedText("fogbank.service");
  return {
    executable: embedded() === undefined ? undefined : process.execPath,
    unit: () => embedded() ?? readFileSync(new URL("../deploy/systemd/fogbank.service", import.meta.url), "utf8"),
    isRoot: process.getuid?.() === 0,
    hasSystemd: () => existsSync("/run/systemd/system"),
    run: (program, args) => runProgram(program, args, { env: adminEnvironment, msMax: adminMsMax }),
  };
}

function tellSalvaged(log: Logger, report: SalvageReport): void {
  log.error(report, "the database was damaged: a new one has what was readable of it");
}

/** A bug in the store's thread, or a database that shows its damage: nothing can be promised any more, so the supervisor starts anew. */
function crash(log: Logger, error: unknown): never {
  log.error({ error }, "the store's thread has crashed");
  process.exit(1);
}

function processIo(signal: AbortSignal): CliIo {
  // Whoever reads stdout may leave early: the next write then tells the command.
  let broken: Error | undefined;
  process.stdout.on("error", (error) => (broken = error));
  return {
    stdout: (text) => {
      if (broken !== undefined) throw broken;
      process.stdout.write(text);
    },
    stderr: (text) => void process.stderr.write(text),
    write: (bytes) =>
      new Promise((resolve, reject) => {
        process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
      }),
    env: process.env,
    readFile: (path) => readFileSync(path, "utf8"),
    hostname: hostname(),
    clock: systemClock,
    isTerminal: process.stdout.isTTY,
    isErrorTerminal: process.stderr.isTTY,
    columns: process.stdout.columns ?? 80,
    stdin: process.stdin,
    ...(process.stdin.isTTY && {
      askSecret: (question: string) => askSecret(process.stdin, process.stderr, question, signal),
    }),
    signal,
  };
}
