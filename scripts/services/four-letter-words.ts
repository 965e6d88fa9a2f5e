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

/** Whether a client of that session is connected to the server on `port`. */
export async function holdsSession(port: number, sessionId: bigint): Promise<boolean> {
  return (await ask(port, "cons")).includes(`sid=0x${BigInt.asUintN(64, sessionId).toString(16)},`);
}
