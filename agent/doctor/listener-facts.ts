// Tries to listen for a moment, and asks /proc who does instead. Unix sockets are only looked at: to bind one would leave a file.
import { accessSync, constants, statSync } from "node:fs";
import { connect, createServer, type ListenOptions } from "node:net";
import { dirname } from "node:path";
import { codeOf } from "./proc-text.ts";

/** How an attempt to listen ends: "free", "taken", or the error's code. Nothing stays behind. */
export async function tryListening(options: ListenOptions): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer((socket) => void socket.destroy());
    server.once("error", (error) => resolve(outcomeOf(error)));
    server.listen({ ...options, exclusive: true }, () => server.close(() => resolve("free")));
  });
}

/** The same for a Unix socket. */
export async function lookAtUnixSocket(path: string): Promise<string> {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) {
      accessSync(dirname(path), constants.W_OK | constants.X_OK);
      return "free";
    }
    if (!found.isSocket()) return "the path is that of something else than a socket";
  } catch (error) {
    return codeOf(error);
  }
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve("taken");
    });
    // A file that nobody listens on any more is replaced by the node.
    socket.once("error", (error) => resolve(codeOf(error) === "ECONNREFUSED" ? "free" : codeOf(error)));
  });
}

function outcomeOf(error: Error): string {
  const code = codeOf(error);
  return code === "EADDRINUSE" ? "taken" : code;
}
