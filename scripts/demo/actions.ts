// What the user asks for: single keys on a terminal, whole words on separate lines otherwise.
import { createInterface } from "node:readline";
import type { ReadStream } from "node:tty";

export type Action = "cut" | "restore" | "quit";

const actionByKey: Readonly<Record<string, Action>> = {
  c: "cut",
  r: "restore",
  q: "quit",
  "\x03": "quit",
  "\x04": "quit",
};
const actionByWord: Readonly<Record<string, Action>> = {
  c: "cut",
  cut: "cut",
  r: "restore",
  restore: "restore",
  q: "quit",
  quit: "quit",
};

/** The action of a key, in either case. */
export function actionOfKey(key: string): Action | undefined {
  return actionByKey[key.toLowerCase()];
}

/** The action of a line. */
export function actionOfLine(line: string): Action | undefined {
  return actionByWord[line.trim().toLowerCase()];
}

export interface ActionReader extends Disposable {
  listen(act: (action: Action) => void): void;
}

/** Reads until disposed. The end of the input means nothing: the demo runs on without it. */
export function readActions(input: ReadStream, byKey: boolean): ActionReader {
  let stop = (): void => undefined;
  return {
    listen(act) {
      stop = byKey ? readKeys(input, act) : readLines(input, act);
    },
    [Symbol.dispose]() {
      stop();
      input.pause();
    },
  };
}

function readKeys(input: ReadStream, act: (action: Action) => void): () => void {
  const onData = (chunk: Buffer): void => {
    for (const key of chunk.toString("latin1")) {
      const action = actionOfKey(key);
      if (action !== undefined) act(action);
    }
  };
  input.setRawMode(true);
  input.on("data", onData);
  return () => {
    input.off("data", onData);
    input.setRawMode(false);
  };
}

function readLines(input: ReadStream, act: (action: Action) => void): () => void {
  input.on("error", () => undefined);
  const lines = createInterface({ input });
  lines.on("line", (line) => {
    const action = actionOfLine(line);
    if (action !== undefined) act(action);
  });
  return () => lines.close();
}
