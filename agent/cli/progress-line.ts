// One line on stderr that tells a person how far something is, and is gone in the end.
import type { CliIo } from "./io.ts";
import { cut, printable, textStyleOf } from "./text-style.ts";

/** Shows `first`, then whatever `work` shows. Nothing where nobody looks: off a terminal, or when `isSilent`. */
export async function withProgressLine<T>(
  io: CliIo,
  isSilent: boolean | undefined,
  first: string,
  work: (show: (text: string) => void) => Promise<T>,
): Promise<T> {
  if (!io.isTerminal || isSilent === true || io.env["TERM"] === "dumb") return work(() => undefined);
  const style = textStyleOf(io);
  // The last column stays free: some terminals wrap there.
  const draw = (text: string): void =>
    io.stderr(`\r${cut(printable(text), Math.max(0, io.columns - 1), style)}\u001b[K`);
  draw(first);
  try {
    return await work(draw);
  } finally {
    io.stderr("\r\u001b[K");
  }
}
