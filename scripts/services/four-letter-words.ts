// The words that a ZooKeeper server answers without a session: `srvr` (its mode), `cons` (its connections and their sessions).
import { connect } from "node:net";

const answerMsMax = 1_000;

/** What the server on `port` answers. Empty when it does not. */
async function ask(port: number, word: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect({ host: "127.0.0.1", port }, () => socket.write(word));
    socket.setTimeout(answerMsMax, () => socket.destroy());
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => (answer += text));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(answer));
  });
}

export type ServerMode = "leader" | "follower" | "standalone";

/** Undefined as long as it serves nobody. */
export async function modeOf(port: number): Promise<ServerMode | undefined> {
  return /^Mode: (leader|follower|standalone)$/m.exec(await ask(port, "srvr"))?.[1] as ServerMode | undefined;
}

/** Of the clients that are connected to the server on `port`, those that have a session. */
export async function sessionsAt(port: number): Promise<readonly bigint[]> {
  return [...(await ask(port, "cons")).matchAll(/\bsid=0x([0-9a-f]+),/g)]
    .map(([, id]) => BigInt(`0x${id ?? "0"}`))
    .filter((id) => id !== 0n);
}
