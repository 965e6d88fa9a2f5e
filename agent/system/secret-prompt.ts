// A question at the terminal whose answer is not shown.
import type { ReadStream } from "node:tty";

const enter = /[\r\n]/;
const backspace = /[\b\u007f]/;
const interrupt = "\u0003";
const endOfInput = "\u0004";

/** The line that is typed. Ctrl-C is a SIGINT, as ever; rejects with the signal's reason. */
export async function askSecret(
  input: Pick<ReadStream, "setRawMode" | "resume" | "pause" | "on" | "off">,
  output: { write(text: string): unknown },
  question: string,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let typed: string[] = [];
  const decoder = new TextDecoder();
  const onData = (bytes: Uint8Array): void => {
    for (const sign of decoder.decode(bytes, { stream: true })) {
      if (enter.test(sign) || sign === endOfInput) return resolve(typed.join(""));
      if (sign === interrupt) return void process.kill(process.pid, "SIGINT");
      if (backspace.test(sign)) typed = typed.slice(0, -1);
      else typed.push(sign);
    }
  };
  const onAbort = (): void => reject(signal.reason);
  output.write(question);
  input.setRawMode(true);
  input.on("data", onData);
  input.resume();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    input.off("data", onData);
    input.pause();
    input.setRawMode(false);
    output.write("\n");
  }
}
