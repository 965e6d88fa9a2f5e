// Lines of a log into a file that is open, each written before the call returns.
import fs from "node:fs";

/** Bytes that wait while nothing can be written. */
const waitingMax = 64 * 1024;
const retryMs = 100;

/**
 * Never throws: a line that cannot be written (the disk with the log is full, the terminal is gone) ends no node. It waits, the next
 * line tries again, and what finds too many waiting is not logged. A reader that is slow (EAGAIN) is waited for.
 */
export function logLines(fd: number): (line: string) => void {
  let waiting = Buffer.alloc(0);
  return (line) => {
    if (waiting.length + Buffer.byteLength(line) <= waitingMax || waiting.length === 0) {
      waiting = Buffer.concat([waiting, Buffer.from(line)]);
    }
    while (waiting.length > 0) {
      const written = tryToWrite(fd, waiting);
      if (written === undefined) return;
      waiting = waiting.subarray(written);
    }
  };
}

/** How many bytes were taken; undefined: none, and there is no use in another try now. */
function tryToWrite(fd: number, bytes: Uint8Array): number | undefined {
  try {
    return fs.writeSync(fd, bytes);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) return undefined;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, retryMs);
    return 0;
  }
}
