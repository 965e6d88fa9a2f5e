// What a NATS server writes to a client, cut into its operations. Pure; only what the benchmark needs: no headers.
//
//   MSG <subject> <sid> [reply] <bytes>␍␊<payload>␍␊  |  PING␍␊  |  -ERR '<text>'␍␊  |  INFO {…}␍␊  |  +OK␍␊  |  PONG␍␊

export interface NatsHandlers {
  /** `subscription` is the number that it was subscribed with. `payload` is only valid during the call. */
  onMessage(subscription: number, payload: Uint8Array): void;
  onPing(): void;
  onInfo(): void;
  onError(text: string): void;
}

const lineEnd = "\r\n";

export class NatsScanner {
  readonly #handlers: NatsHandlers;
  #rest: Buffer = Buffer.alloc(0);

  constructor(handlers: NatsHandlers) {
    this.#handlers = handlers;
  }

  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (let next = this.#step(bytes, at); next !== undefined; next = this.#step(bytes, at)) at = next;
    // A copy: the chunk's memory is used again.
    this.#rest = Buffer.from(bytes.subarray(at));
  }

  /** Handles the operation at `at` and answers where the next one begins; undefined when it is not all there. */
  #step(bytes: Buffer, at: number): number | undefined {
    const endAt = bytes.indexOf(lineEnd, at, "latin1");
    if (endAt < 0) return undefined;
    const line = bytes.toString("latin1", at, endAt);
    const bodyAt = endAt + lineEnd.length;
    if (!line.startsWith("MSG ")) {
      this.#control(line);
      return bodyAt;
    }
    const words = line.split(" ");
    const size = Number(words.at(-1));
    const nextAt = bodyAt + size + lineEnd.length;
    if (!Number.isSafeInteger(size)) throw new Error(`this is no NATS message: ${line}`);
    if (nextAt > bytes.length) return undefined;
    this.#handlers.onMessage(Number(words[2]), bytes.subarray(bodyAt, bodyAt + size));
    return nextAt;
  }

  #control(line: string): void {
    if (line === "PING") this.#handlers.onPing();
    else if (line.startsWith("INFO ")) this.#handlers.onInfo();
    else if (line.startsWith("-ERR")) this.#handlers.onError(line.slice("-ERR ".length));
  }
}
