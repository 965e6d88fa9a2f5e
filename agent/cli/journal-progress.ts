// How far a long command is, on one line of the terminal that is written over.
import type { CliIo } from "./io.ts";
import { formatDuration } from "./quantities.ts";

export interface Progress {
  /** So many more of the total are done. */
  advance(count: number): void;
  /** Takes the line away. */
  end(): void;
}

const drawMs = 200;

/** `total` of `unit`, such as messages. Shows nothing where nobody looks. */
export function showProgress(io: CliIo, what: string, total: number, unit: string): Progress {
  if (io.isErrorTerminal !== true) return { advance: () => undefined, end: () => undefined };
  const startMs = io.clock.monotonic();
  let done = 0;
  let drawnMs = startMs;
  let isDrawn = false;
  return {
    advance(count) {
      done += count;
      const nowMs = io.clock.monotonic();
      if (nowMs - drawnMs < drawMs) return;
      drawnMs = nowMs;
      isDrawn = true;
      const rate = (done * 1000) / (nowMs - startMs);
      const percent = total === 0 ? 100 : Math.min(100, Math.floor((done * 100) / total));
      const left = rate > 0 ? `, ${formatDuration((Math.max(0, total - done) / rate) * 1000)} left` : "";
      io.stderr(`\r${what}: ${percent} %, ${done} of ${total} ${unit}, ${Math.round(rate)}/s${left}\u001b[K`);
    },
    end() {
      if (isDrawn) io.stderr("\r\u001b[K");
    },
  };
}

/** Lets signals in between two steps of a long command; throws when the person has asked it to stop. */
export async function breathe(io: CliIo): Promise<void> {
  await new Promise<void>((resolve) => void setImmediate(resolve));
  io.signal.throwIfAborted();
}
