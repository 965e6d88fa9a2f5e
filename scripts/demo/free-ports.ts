// Loopback ports that nobody listens on. Fixed numbers, because a node that is killed must come back where its children dial;
// and below 32768, because the numbers from there on go to outgoing connections: one of those could take the place meanwhile.
// For the same reason whoever picks has a block of numbers to itself: another program that picks would find those free at which a
// node has not started yet, or is dead for the moment.
import { createServer } from "node:net";

export const portMin = 20_000;
const portMax = 32_000;
/** How many numbers belong together. The first one of each block says whether the others are somebody's. */
export const blockPorts = 100;
const blocks = Math.floor((portMax - portMin + 1) / blockPorts);
const triesMax = 1_000;

export interface PortDeps {
  /** In [0, 1). */
  random(): number;
  isFree(port: number): Promise<boolean>;
  /** Takes `port` until this process ends; answers whether it could. */
  claim(port: number): Promise<boolean>;
}

/** Answers a function that picks a free port, never the same one twice. It rejects when there seems to be none. */
export function createPortPicker(deps: PortDeps = { random: Math.random, isFree, claim }): () => Promise<number> {
  let left: number[] = [];
  return async () => {
    for (let tries = 0; tries < triesMax; tries++) {
      const port = left.shift();
      if (port !== undefined) {
        if (await deps.isFree(port)) return port;
        continue;
      }
      const first = portMin + Math.floor(deps.random() * blocks) * blockPorts;
      if (await deps.claim(first)) left = Array.from({ length: blockPorts - 1 }, (_, at) => first + 1 + at);
    }
    throw new Error(
      `no free port from ${portMin} to ${portMax} on 127.0.0.1 in ${triesMax} tries: close some programs that listen there`,
    );
  };
}

/** Whether a program could listen on `port` of the loopback interface just now. */
export async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Listens on `port` for as long as this process lives, which it does not keep alive. Whoever connects is turned away. */
async function claim(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer((socket) => void socket.destroy());
    server.once("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => resolve(true));
    server.unref();
  });
}
