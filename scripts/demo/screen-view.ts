// The live picture on a terminal: the tree, what happened last, commands to try, keys. Redrawn in place on the alternate
// screen, each line overwritten and then cleared to its end, so that nothing flickers.
import type { WriteStream } from "node:tty";
import { drawTree, treeLines } from "./draw.ts";
import { treeInWords, type LiveView } from "./live-view.ts";
import type { TreeSample } from "./observe.ts";
import { formatTime, renderLine, type Span, type TextStyle } from "./text-style.ts";
import { tryCommands, type CommandTargets } from "./try-commands.ts";

export interface ScreenLayout {
  readonly columns: number;
  readonly rows: number;
}

interface Content {
  readonly sample: TreeSample;
  readonly targets: CommandTargets | undefined;
  readonly news: readonly string[];
  readonly folder: string;
}

const newsKept = 50;
/** Lines of what happened last: fewer where the commands need the room. */
const newsShown = 4;
const newsShownSmall = 2;
const rowsSmallMax = 25;
const blank: readonly Span[] = [];

/** Takes over the terminal until disposed, and then leaves it as it was. */
export function openScreenView(out: WriteStream, style: TextStyle, folder: string): LiveView {
  const news: string[] = [];
  out.write("\x1b[?1049h\x1b[?25l");
  let isOpen = true;
  return {
    restoreKey: "r",
    show(sample, targets) {
      if (!isOpen) return;
      const { columns, rows } = out;
      const lines = screenLines({ sample, targets, news, folder }, { columns, rows });
      out.write(paint(lines, style, columns));
    },
    tell(text) {
      news.push(`${formatTime(Date.now())}  ${text}`);
      if (news.length > newsKept) news.shift();
    },
    [Symbol.dispose]() {
      if (!isOpen) return;
      isOpen = false;
      out.write("\x1b[?25h\x1b[?1049l");
    },
  };
}

/** All that is on the screen. The explanations of the commands give way first, then devices, then the commands. Pure. */
export function screenLines(
  { sample, targets, news, folder }: Content,
  { columns, rows }: ScreenLayout,
): readonly (readonly Span[])[] {
  const title = ` Fogbank demo: ${treeInWords(sample.devices.length)}, one process each`;
  const time = formatTime(sample.atMs);
  const head: readonly (readonly Span[])[] = [
    [
      { text: title.padEnd(Math.min(columns, 80) - time.length - 1), colour: "bold" },
      { text: time, colour: "dim" },
    ],
    blank,
  ];
  // Always as many lines, so that nothing moves when something happens.
  const shown = rows > rowsSmallMax ? newsShown : newsShownSmall;
  const happened = news.slice(-shown).flatMap((text) => wrap(` ${text}`, columns));
  const newsLines = Array.from({ length: shown }, (_, i) => [{ text: happened.slice(-shown)[i] ?? "" }]);
  const middle = [blank, ...newsLines, blank];
  const foot: readonly (readonly Span[])[] = [
    blank,
    [{ text: ` c cut the fog   r restore it   q quit   files: ${folder}`, colour: "bold" }],
  ];
  const room = rows - head.length - middle.length - foot.length;
  const commands = targets === undefined ? [] : commandLines(targets, columns, room, sample.devices.length);
  const tree = drawTree(sample, room - commands.length);
  return [...head, ...tree, ...middle, ...commands, ...foot].slice(0, rows);
}

/** With explanations if the whole tree fits above them, bare if at least a part of it does. A command that is too wide runs on. */
function commandLines(
  targets: CommandTargets,
  columns: number,
  room: number,
  devices: number,
): readonly (readonly Span[])[] {
  const commands = tryCommands(targets);
  const heading: readonly Span[] = [{ text: " Try in another terminal, in this project's folder:", colour: "dim" }];
  const bare = [heading, ...commands.flatMap(({ command }) => wrap(` ${command}`, columns).map((text) => [{ text }]))];
  const explained = commands.flatMap(({ what, command }): readonly (readonly Span[])[] => [
    [{ text: ` # ${what}`, colour: "dim" }],
    ...wrap(` ${command}`, columns).map((text) => [{ text }]),
  ]);
  if (explained.length + 2 <= room - treeLines(devices)) return [heading, blank, ...explained];
  return bare.length <= room - treeLines(Math.min(devices, 2)) ? bare : [];
}

function wrap(text: string, columns: number): readonly string[] {
  const lines: string[] = [];
  for (let at = 0; at < text.length; at += columns) lines.push(text.slice(at, at + columns));
  return lines;
}

function paint(lines: readonly (readonly Span[])[], style: TextStyle, columns: number): string {
  const painted = lines.map((spans) => {
    const width = spans.reduce((total, { text }) => total + text.length, 0);
    // In a line that is full, "clear to the end" would take the last character.
    return renderLine(spans, style, columns) + (width < columns ? "\x1b[K" : "");
  });
  return `\x1b[H${painted.join("\r\n")}\x1b[J`;
}
