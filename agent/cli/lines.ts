// Lines of a stream of bytes, as bytes.
import { FogbankError } from "#shared/errors.ts";
import type { CliIo } from "./io.ts";

const lineFeed = 10;

/**
 * Each line without its line feed; what stands behind the last one is a line too. Throws the signal's reason when it aborts, and
 * FOGBANK_PAYLOAD_TOO_LARGE for a line of more than `bytesMax`. Lets go of the stream at the end.
 */
export async function* linesOf(
  stdin: CliIo["stdin"],
  bytesMax: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const add = (part: Uint8Array): void => {
    bytes += part.length;
    if (bytes > bytesMax) {
      throw new FogbankError(
        "FOGBANK_PAYLOAD_TOO_LARGE",
        `a line has more than ${bytesMax} bytes: publish it with -f from a file, or split it`,
      );
    }
    parts.push(part);
  };
  const finish = (): Uint8Array => {
    const line = parts.length === 1 && parts[0] !== undefined ? parts[0] : new Uint8Array(Buffer.concat(parts));
    parts = [];
    bytes = 0;
    return line;
  };
  for await (const chunk of untilAborted(stdin, signal)) {
    let from = 0;
    for (let at = chunk.indexOf(lineFeed); at !== -1; at = chunk.indexOf(lineFeed, from)) {
      add(chunk.subarray(from, at));
      yield finish();
      from = at + 1;
    }
    if (from < chunk.length) add(chunk.subarray(from));
  }
  if (parts.length > 0) yield finish();
}

async function* untilAborted(stdin: CliIo["stdin"], signal: AbortSignal): AsyncGenerator<Uint8Array> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const iterator = stdin[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted.promise]);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    stdin.destroy?.();
  }
}
