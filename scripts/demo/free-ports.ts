// Loopback ports that nobody listens on. Fixed numbers, because a node that is killed must come back where its children dial;
// and below 32768, because the numbers from there on go to outgoing connections: one of those could take the place meanwhile.
import { createServer } from "node:net";

export const portMin = 20_000;
export const portMax = 32_000;
const triesMax = 1_000;

export interface PortDeps {
  /** In [0, 1). */
  random(): number;
  isFree(port: number): Promise<boolean>;
}

/** Answers a function that picks a free port, never the same one twice. It rejects when there seems to be none. */
export function createPortPicker(deps: PortDeps = { random: Math.random, isFree }): () => Promise<number> {
  const given = new Set<number>();
  return async () => {
    for (let tries = 0; tries < triesMax; tries++) {
      const port = portMin + Math.floor(deps.random() * (portMax - portMin + 1));
      if (given.has(port)) continue;
      given.add(port);
      if (await deps.isFree(port)) return port;
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
