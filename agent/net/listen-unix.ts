// Servers on Unix sockets: reached by whom the file's mode lets in, so their clients count as programs of this machine.
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { FogbankError } from "#shared/errors.ts";
import { listenError, opened } from "./listen-tcp.ts";

/** Its user and group. */
const socketMode = 0o660;

/** Takes the place of a socket file that nobody listens on. The file goes when the server closes. Rejects with FOGBANK_LISTEN_FAILED. */
export async function listenUnix(path: string, onSocket: (socket: Socket) => void): Promise<Server> {
  const where = `unix:${path}`;
  await removeStale(path, where);
  const server = createServer(onSocket);
  await opened(server, { path }, where);
  try {
    chmodSync(path, socketMode);
  } catch (error) {
    server.close();
    throw listenError(where, error);
  }
  return server;
}

async function removeStale(path: string, where: string): Promise<void> {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) return;
    if (!found.isSocket()) {
      const message = `cannot listen on ${where}: a file stands there that is no socket: move it away or choose another path`;
      throw new FogbankError("FOGBANK_LISTEN_FAILED", message);
    }
    if (await isDeserted(path)) unlinkSync(path);
  } catch (error) {
    throw error instanceof FogbankError ? error : listenError(where, error);
  }
}

/** Whether nobody listens any more; in doubt somebody does. */
async function isDeserted(path: string): Promise<boolean> {
  const probe = connect({ path });
  try {
    return await new Promise<boolean>((resolve) => {
      probe.once("connect", () => resolve(false));
      probe.once("error", (error) => resolve("code" in error && error.code === "ECONNREFUSED"));
    });
  } finally {
    probe.destroy();
  }
}
