// `npm start`: a cloud, a fog and some devices as processes on this machine, to watch, to cut apart and to count.
// With --outage it tells the story of an outage by itself and ends. Exit codes: 0 every message was stored once, 1 not so or a
// node failed, 2 usage, 130 interrupted.
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { readActions } from "./demo/actions.ts";
import { countAfterArrival, stopAll, stopDevices } from "./demo/close-down.ts";
import { parseOptions, wholeNumber } from "./demo/command-line.ts";
import { countRemarks, countSentence, countTable } from "./demo/count-table.ts";
import type { DeviceCount } from "./demo/accounting.ts";
import { createDemoTree, type DemoTree } from "./demo/demo-tree.ts";
import { createPortPicker } from "./demo/free-ports.ts";
import { watchLauncher } from "./demo/launcher.ts";
import { openLineView } from "./demo/line-view.ts";
import { createLive } from "./demo/live.ts";
import { NodeFailure } from "./demo/node-process.ts";
import { startOrphanGuard } from "./demo/orphan-guard.ts";
import { openScreenView } from "./demo/screen-view.ts";
import { StoryFailure, tellOutage } from "./demo/story.ts";
import { renderLine, styleOf } from "./demo/text-style.ts";

const devicesMax = 200;
const secondsMax = 3_600;
const arriveMsMax = 20_000;
const exitInterrupted = 130;
const exitPipeClosed = 141;
const sameSignalMs = 300;
const launcherLookMs = 500;
const style = styleOf(process.env, process.stdout.isTTY);

interface Options {
  readonly outage?: true;
  readonly devices: number;
  readonly seconds: number;
  readonly keep?: true;
}

/** Why the demo ends before its end. */
class Interrupt extends Error {
  readonly exitCode: number;

  constructor(name: string, exitCode: number) {
    super(name);
    this.exitCode = exitCode;
  }

  /** Of the demo that runs until somebody ends it, this is the ordinary end. */
  get isQuit(): boolean {
    return this.message === "quit" || this.message === "SIGINT";
  }
}

void main();

async function main(): Promise<void> {
  const options = parseArguments(process.argv);
  if (typeof options === "number") return void (process.exitCode = options);
  process.exit(await runDemo(options));
}

function parseArguments(argv: readonly string[]): Options | number {
  const command = new Command("npm start --")
    .description(
      "a cloud, a fog and devices as processes on this machine: watch them, cut them apart, count every message",
    )
    .option("--outage", "tell the story of an outage by itself, count, and end")
    .option("--devices <n>", `how many devices, 1 to ${devicesMax}`, wholeNumber(1, devicesMax), 2)
    .option(
      "--seconds <s>",
      `how long the outage of --outage lasts, 1 to ${secondsMax}`,
      wholeNumber(1, secondsMax),
      15,
    )
    .option("--keep", "keep the temporary folder with databases, logs and records")
    .exitOverride();
  return parseOptions(() => command.parse(argv).opts<Options>());
}

async function runDemo(options: Options): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "fogbank-demo-"));
  using guard = startOrphanGuard();
  const tree = createDemoTree({ guard, pickPort: createPortPicker() }, { folder, devices: options.devices });
  const stop = new AbortController();
  installEndings(tree, stop, options.keep === true);
  const signal = AbortSignal.any([stop.signal, tree.failed]);
  let exitCode = 1;
  try {
    exitCode = options.outage === true ? await runStory(tree, options, signal) : await runLive(tree, stop, signal);
  } catch (error) {
    exitCode = reportEnd(error);
  }
  await stopAll(tree);
  const keeps = options.keep === true || exitCode === 1;
  if (keeps) say(`databases, logs and records are kept in ${folder}`);
  else await rm(folder, { recursive: true, force: true });
  return exitCode;
}

async function runStory(tree: DemoTree, { seconds }: Options, signal: AbortSignal): Promise<number> {
  say(`Fogbank: an outage, told by itself. Files: ${tree.folder}`);
  const counts = await tellOutage({ tree, write: say, signal }, seconds);
  return reportCount(counts);
}

async function runLive(tree: DemoTree, stop: AbortController, signal: AbortSignal): Promise<number> {
  const { stdin, stdout } = process;
  {
    using view = stdout.isTTY ? openScreenView(stdout, style, tree.folder) : openLineView(say, style);
    const live = createLive(tree, view);
    using actions = readActions(stdin, stdout.isTTY && stdin.isTTY);
    actions.listen((action) => {
      if (action === "quit") stop.abort(new Interrupt("quit", 0));
      else live.act(action);
    });
    await live.run(signal).catch((error: unknown) => {
      if (!(error instanceof Interrupt) || !error.isQuit) throw error;
    });
  }
  return endLive(tree);
}

/** After "quit": the devices hand on the rest, and if everything above them runs, it is counted. */
async function endLive(tree: DemoTree): Promise<number> {
  tree.close();
  const down = tree.nodes.filter((node) => node.state().at !== "up").map(({ plan }) => plan.name);
  say("stopping the devices: they hand on the rest (Ctrl-C ends everything at once)");
  const { devices } = await stopDevices(tree);
  if (down.length === 0) return reportCount(await countAfterArrival(tree, arriveMsMax, tree.failed));
  const published = devices.reduce((total, device) => total + device.published, 0);
  say(
    `published ${published}, and no exact count: not up at the end ${down.length > 5 ? `${down.length} nodes` : down.join(", ")}`,
  );
  return 0;
}

function reportCount(counts: readonly DeviceCount[]): number {
  say("");
  for (const line of countTable(counts)) say(line);
  say("");
  for (const remark of countRemarks(counts)) say(remark);
  say(countSentence(counts));
  return counts.every(({ faults }) => faults.length === 0) ? 0 : 1;
}

function reportEnd(thrown: unknown): number {
  // A wait that is cut short says only that it was: its cause says why.
  const error = thrown instanceof Error && thrown.name === "AbortError" ? thrown.cause : thrown;
  if (error instanceof Interrupt) {
    say(`${error.message}: stopping everything`);
    return error.exitCode;
  }
  const isExpected = error instanceof NodeFailure || error instanceof StoryFailure;
  const text = isExpected ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${renderLine([{ text }], style)}\n`);
  return 1;
}

/** The first signal ends the demo in order, the second at once. Whatever happens, no node is left. */
function installEndings(tree: DemoTree, stop: AbortController, keeps: boolean): void {
  const killNow = (exitCode: number): never => {
    tree.close();
    void tree.kill(tree.nodes);
    process.exit(exitCode);
  };
  const endings = [
    ["SIGINT", exitInterrupted],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const;
  let stoppedAtMs = Number.NEGATIVE_INFINITY;
  stop.signal.addEventListener("abort", () => (stoppedAtMs = performance.now()), { once: true });
  for (const [name, exitCode] of endings) {
    process.on(name, () => {
      if (!stop.signal.aborted) stop.abort(new Interrupt(name, exitCode));
      // npm hands on the Ctrl-C that the terminal has sent here already: that is not a second one.
      else if (performance.now() - stoppedAtMs > sameSignalMs) {
        void tree.kill(tree.nodes);
        if (!keeps) rmSync(tree.folder, { recursive: true, force: true, maxRetries: 5 });
        killNow(exitCode);
      }
    });
  }
  if (process.env["npm_lifecycle_event"] !== undefined) {
    const npm = watchLauncher();
    const look = (): void => {
      if (npm.isGone()) stop.abort(new Interrupt("npm has ended", 143));
    };
    setInterval(look, launcherLookMs).unref();
  }
  // Whoever reads the output may go away before the demo ends.
  process.stdout.on("error", () => stop.abort(new Interrupt("nobody reads the output", exitPipeClosed)));
  process.stderr.on("error", () => undefined);
  process.on("uncaughtException", (error) => {
    process.stderr.write(`${error.stack ?? error.message}\n`);
    killNow(1);
  });
  process.on("exit", () => void tree.kill(tree.nodes));
}

function say(line: string): void {
  process.stdout.write(`${renderLine([{ text: line }], style)}\n`);
}
