// One connection to a NATS server: requests with JSON, subscriptions, raw writes.
import { connect } from "node:net";
import { NatsScanner } from "./nats-scanner.ts";

export interface NatsConnection {
  /** Rejects when no answer comes in time, or when the answer names an error. */
  request(subject: string, body: unknown, msMax?: number): Promise<unknown>;
  /** `payload` is only valid during the call. */
  subscribe(subject: string, onMessage: (payload: Uint8Array) => void): void;
  write(bytes: Uint8Array | string): void;
  /** Rejects when the connection ends; never resolves. */
  readonly lost: Promise<never>;
  close(): void;
}

const answerMsMax = 5_000;
const greeting = `CONNECT ${JSON.stringify({ verbose: false, pedantic: false, lang: "bench", version: "0" })}\r\n`;

let connections = 0;

/** Resolves when the server has greeted. `onChunkEnd` follows all messages of one read. */
export async function openNats(port: number, onChunkEnd: () => void = () => undefined): Promise<NatsConnection> {
  const inbox = `_INBOX.bench${process.pid}x${connections++}`;
  const handlers = new Map<number, (payload: Uint8Array) => void>();
  const greeted = Promise.withResolvers<void>();
  const lost = Promise.withResolvers<never>();
  lost.promise.catch(() => undefined);
  let requests = 0;
  let subscriptions = 0;
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  const fail = (error: Error): void => {
    greeted.reject(error);
    lost.reject(error);
    socket.destroy();
  };
  const scanner = new NatsScanner({
    onMessage: (subscription, payload) => handlers.get(subscription)?.(payload),
    onPing: () => void socket.write("PONG\r\n"),
    onInfo: () => greeted.resolve(),
    onError: (text) => fail(new Error(`the NATS server at port ${port} says ${text}`)),
  });
  socket.on("data", (chunk) => {
    scanner.push(chunk);
    onChunkEnd();
  });
  socket.on("error", fail);
  socket.on("close", () => fail(new Error(`the NATS server at port ${port} closed the connection`)));
  await greeted.promise;
  const subscribe = (subject: string, onMessage: (payload: Uint8Array) => void): number => {
    handlers.set(++subscriptions, onMessage);
    socket.write(`SUB ${subject} ${subscriptions}\r\n`);
    return subscriptions;
  };
  socket.write(greeting);
  return {
    subscribe: (subject, onMessage) => void subscribe(subject, onMessage),
    async request(subject, body, msMax = answerMsMax) {
      const reply = `${inbox}.${requests++}`;
      const answered = Promise.withResolvers<string>();
      const subscription = subscribe(reply, (payload) => answered.resolve(Buffer.from(payload).toString()));
      const text = JSON.stringify(body);
      socket.write(`PUB ${subject} ${reply} ${Buffer.byteLength(text)}\r\n${text}\r\n`);
      const late = setTimeout(
        () => answered.reject(new Error(`no answer to ${subject} from port ${port} in ${msMax} ms`)),
        msMax,
      );
      try {
        return answerOf(subject, await Promise.race([answered.promise, lost.promise]));
      } finally {
        clearTimeout(late);
        handlers.delete(subscription);
        socket.write(`UNSUB ${subscription}\r\n`);
      }
    },
    write: (bytes) => void socket.write(bytes),
    lost: lost.promise,
    close() {
      socket.removeAllListeners("close");
      socket.destroy();
    },
  };
}

function answerOf(subject: string, text: string): unknown {
  const answer: unknown = JSON.parse(text);
  const error = typeof answer === "object" && answer !== null && "error" in answer ? answer.error : undefined;
  if (error !== undefined) throw new Error(`${subject} failed: ${JSON.stringify(error)}`);
  return answer;
}
