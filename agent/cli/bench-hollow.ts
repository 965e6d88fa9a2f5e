// `fogbank bench hollow`: thousands of devices without broker and store in this one process, to see what a tree bears.
import { Command, InvalidArgumentError, Option } from "commander";
import { FogbankError } from "#shared/errors.ts";
import { levels, type Level } from "#shared/ids.ts";
import { limits } from "#shared/limits.ts";
import { isFunctionName } from "#shared/machine/envelope.ts";
import { toPlainValue, type PlainValue } from "#shared/machine/plain-value.ts";
import type { Random } from "#shared/system/random.ts";
import { parseUplinkUrl, type UplinkAddress } from "../config/uplink-url.ts";
import { startHollowFleet, type HollowFleet } from "../hollow/hollow-fleet.ts";
import { lightParent } from "../hollow/light-parent.ts";
import { runAction } from "./action.ts";
import type { CliIo } from "./io.ts";
import { parseJsonArgument } from "./json-argument.ts";
import { formatBytes } from "./quantities.ts";

interface HollowOptions {
  readonly children: number;
  readonly parent: readonly UplinkAddress[];
  readonly prefix: string;
  readonly level: Level;
  readonly zone?: string;
  readonly zones: number;
  readonly tags: readonly string[];
  readonly function: ReadonlyMap<string, PlainValue>;
  readonly perSecond: number;
  readonly json?: true;
}

/** More connections than one process may have open are refused by the system long before. */
const childrenMax = 100_000;
const lookMs = 100;
const tellMs = 1_000;

/** `memoryBytes`: what the process takes, for the memory of each child. Exit codes: 0 stopped, 2 usage, 130 interrupted. */
export function benchCommand(io: CliIo, random: Random, memoryBytes: () => number): Command {
  const bench = new Command("bench")
    .description("load for trying out a tree")
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr });
  bench
    .command("hollow")
    .description("stand for thousands of devices: real links and calls, no broker and no store; until Ctrl-C")
    .requiredOption("--children <n>", "how many", wholeNumber(1, childrenMax))
    .requiredOption("--parent <url>", "their parent, mqtt://host[:port]; may be repeated: they are spread", addParent)
    .option("--prefix <text>", "their names are this and a number", "h-")
    .addOption(new Option("--level <level>", "their level").choices(levels).default("device"))
    .option("--zone <zone>", "their zone")
    .option("--zones <n>", "spread them over so many zones, zone-1 and so on", wholeNumber(1, childrenMax), 0)
    .option("--tags <list>", "their tags, with commas", (text) => text.split(","), [])
    .option(
      "--function <name=json>",
      "a function and what it answers, beside ping, echo and info; may be repeated",
      addFunction,
      new Map<string, PlainValue>(),
    )
    .option("--per-second <n>", "how many connect per second", wholeNumber(1, childrenMax), limits.hellosPerSecond / 2)
    .option("--json", "print the counts every second, as JSON")
    .action((options: HollowOptions, command: Command) =>
      runAction(command, io, () => runHollow(io, random, memoryBytes, options)),
    );
  return bench;
}

async function runHollow(io: CliIo, random: Random, memoryBytes: () => number, options: HollowOptions): Promise<void> {
  const { parent, function: answers, zone } = options;
  const before = memoryBytes();
  await using fleet = startHollowFleet(
    { clock: io.clock, random },
    { ...options, zone, answers, parents: parent.map(lightParent) },
  );
  await allConnected(io, fleet, options.children);
  if (!io.signal.aborted) {
    const bytesPerChild = Math.round((memoryBytes() - before) / options.children);
    io.stdout(`READY ${JSON.stringify({ children: options.children, bytesPerChild })}\n`);
  }
  await tellUntilStopped(io, fleet, options);
  if (!options.json) io.stdout(summaryOf(fleet));
}

async function allConnected(io: CliIo, fleet: HollowFleet, children: number): Promise<void> {
  for (let told = 0; !io.signal.aborted;) {
    const { connected } = fleet.report();
    if (connected === children) break;
    if (io.isErrorTerminal === true && connected !== told) io.stderr(`\r${connected} of ${children} connected`);
    told = connected;
    await io.clock.sleep(lookMs, io.signal).catch(() => undefined);
  }
  if (io.isErrorTerminal === true) io.stderr("\r\u001b[K");
}

/** One line of counts each second for programs; at the end in any case. */
async function tellUntilStopped(io: CliIo, fleet: HollowFleet, { json }: HollowOptions): Promise<void> {
  do {
    await io.clock.sleep(tellMs, io.signal).catch(() => undefined);
    if (json) io.stdout(`${JSON.stringify({ time: new Date(io.clock.now()).toISOString(), ...fleet.report() })}\n`);
  } while (!io.signal.aborted);
}

function summaryOf(fleet: HollowFleet): string {
  const { connected, ran, events, ...moved } = fleet.report();
  return [
    `${connected} connected, ${ran} functions run, ${events} events heard`,
    `of calls:  ${moved.callFramesIn} frames in (${formatBytes(moved.callBytesIn)}), ${moved.callFramesOut} out (${formatBytes(moved.callBytesOut)})`,
    `together:  ${moved.framesIn} frames in (${formatBytes(moved.bytesIn)}), ${moved.framesOut} out (${formatBytes(moved.bytesOut)})`,
    "",
  ].join("\n");
}

function addParent(text: string, earlier: readonly UplinkAddress[] = []): readonly UplinkAddress[] {
  const address = parseUplinkUrl(text);
  if (address === undefined || address.isTls) throw new InvalidArgumentError("Expected mqtt://host[:port].");
  return [...earlier, address];
}

function addFunction(text: string, earlier: ReadonlyMap<string, PlainValue>): ReadonlyMap<string, PlainValue> {
  const [, name = "", json = ""] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  if (!isFunctionName(name)) throw new InvalidArgumentError("Expected name=json, such as blink=true.");
  const value = toPlainValue(parseJsonArgument(json, `the answer of "${name}"`));
  if (value === undefined) throw new FogbankError("FOGBANK_USAGE", `the answer of "${name}" is too deep`);
  return new Map([...earlier, [name, value]]);
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,9}$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
  };
}
