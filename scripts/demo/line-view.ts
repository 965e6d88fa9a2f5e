// The live demo where there is no terminal: what happens at once, how things stand every few seconds.
import { drawTree } from "./draw.ts";
import type { LiveView } from "./live-view.ts";
import type { TreeSample } from "./observe.ts";
import { formatAge, formatCount, formatTime, renderLine, type TextStyle } from "./text-style.ts";
import { tryCommands } from "./try-commands.ts";

const everyMs = 3_000;
const treeLinesMax = 12;

export function openLineView(write: (line: string) => void, style: TextStyle): LiveView {
  const say = (text: string, atMs = Date.now()): void =>
    write(renderLine([{ text: `${formatTime(atMs)}  ${text}` }], style));
  let nextAtMs = 0;
  let isIntroduced = false;
  return {
    restoreKey: '"restore"',
    show(sample, targets) {
      if (targets !== undefined && !isIntroduced) {
        isIntroduced = true;
        nextAtMs = 0;
        write("");
        for (const spans of drawTree(sample, treeLinesMax)) write(renderLine(spans, style).trimEnd());
        write("");
        for (const { what, command } of tryCommands(targets)) write(`  # ${what}\n  ${command}`);
        write("  # or write a line to the standard input of this program: cut, restore, quit\n");
      }
      if (sample.atMs < nextAtMs) return;
      nextAtMs = sample.atMs + everyMs;
      say(summaryOf(sample), sample.atMs);
    },
    tell: (text) => say(text),
    [Symbol.dispose]() {},
  };
}

/** The tree in one line. */
function summaryOf({ devices, fog, cloud, atMs }: TreeSample): string {
  const numbers = numbersOf({ devices, fog, cloud, atMs });
  const up = devices.filter(({ process }) => process.at === "up").length;
  const fogState =
    fog.process.at === "down"
      ? `${fog.name} down ${formatAge(atMs - fog.process.sinceMs)}`
      : `${fog.name} ${fog.process.at}`;
  return [
    `published ${formatCount(numbers.published)}`,
    `at devices ${formatCount(numbers.atDevices)}`,
    `at fog ${formatCount(numbers.atFog)}`,
    `in cloud ${formatCount(numbers.stored)}`,
    `${up} of ${devices.length} devices up`,
    fogState,
  ].join(", ");
}

export interface TreeNumbers {
  readonly published: number;
  readonly atDevices: number | undefined;
  readonly atFog: number | undefined;
  readonly stored: number | undefined;
}

/** Sums over all devices; undefined where no node answers. */
export function numbersOf({ devices, fog }: TreeSample): TreeNumbers {
  const sum = (values: readonly (number | undefined)[]): number | undefined => {
    const known = values.filter((value) => value !== undefined);
    return known.length === 0 ? undefined : known.reduce((total, value) => total + value, 0);
  };
  return {
    published: sum(devices.map(({ published }) => published)) ?? 0,
    atDevices: sum(devices.map(({ waiting }) => waiting)),
    atFog: fog.waiting,
    stored: sum(devices.map(({ stored }) => stored)),
  };
}
