// What a device wrote down itself: one line `time<TAB>topic<TAB>payload` for each message whose publish was acknowledged.
import { open, readFile } from "node:fs/promises";

/** The complete lines. None when the file is not there yet. */
export async function readRecord(file: string): Promise<readonly string[]> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    if (isMissing(error)) return "";
    throw error;
  });
  const lines = text.split("\n");
  // What stands behind the last line end is empty, or a line that is just being written.
  return lines.slice(0, -1);
}

/** Answers a function that counts the complete lines of `file`, reading each time only what was appended since. */
export function createLineCounter(file: string): () => Promise<number> {
  let offset = 0;
  let lines = 0;
  let last: Promise<unknown> = Promise.resolve();
  const count = async (): Promise<number> => {
    const handle = await open(file).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (handle === undefined) return 0;
    await using stack = new AsyncDisposableStack();
    stack.defer(() => handle.close());
    const chunk = new Uint8Array(64 * 1024);
    for (;;) {
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, offset);
      if (bytesRead === 0) return lines;
      offset += bytesRead;
      for (let i = 0; i < bytesRead; i++) if (chunk[i] === 0x0a) lines++;
    }
  };
  // One after the other: the place in the file is shared.
  return () => {
    const counted = last.then(count);
    last = counted.catch(() => undefined);
    return counted;
  };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
