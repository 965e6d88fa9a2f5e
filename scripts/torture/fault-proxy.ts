// A TCP link that breaks on command, between a child and its parent. Each direction of each connection is a pipe: what arrives waits
// in it until the fault lets it pass, and a full pipe stops reading, as a network does.
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { seeded } from "./seeded.ts";

/** `up`: from the child to its parent. */
export type Direction = "up" | "down";

export type LinkFault =
  | { readonly type: "pass" }
  /** Nothing arrives, in one direction or both, and nobody is told: sockets stay open. */
  | { readonly type: "silent"; readonly direction?: Direction }
  /** New connections are accepted and go nowhere; open ones work. */
  | { readonly type: "half-open" }
  /** New connections are accepted and closed at once; open ones work. */
  | { readonly type: "accept-and-drop" }
  /** After that many bytes in this direction, counted from now over all connections: everything is reset, and the link works. */
  | { readonly type: "cut-at"; readonly direction: Direction; readonly byte: number }
  | { readonly type: "delay"; readonly ms: number; readonly jitterMs?: number }
  /** In each direction; connections share it fairly. */
  | { readonly type: "throttle"; readonly bytesPerSecond: number };

export interface FaultProxy extends AsyncDisposable {
  /** Where the child connects to. */
  readonly port: number;
  set(fault: LinkFault): void;
  /** Resets every open connection, at both ends. */
  reset(): void;
  /** Resets the child's end of every open connection; the parent's stays open and is told nothing, as when a router forgets a connection. */
  abandon(): void;
  /** Bytes forwarded since the last `set`. */
  bytes(direction: Direction): number;
  /** The next forwarded bytes in that direction. */
  passed(direction: Direction): Promise<void>;
  /** Resolves when a `cut-at` has cut. */
  cut(): Promise<void>;
}

interface Chunk {
  readonly bytes: Buffer;
  readonly dueAtMs: number;
}

/** One direction of one connection. */
interface Pipe {
  readonly direction: Direction;
  readonly source: Socket;
  readonly target: Socket;
  queue: Chunk[];
  queuedBytes: number;
  sourceEnded: boolean;
  finished: boolean;
}

interface Connection {
  readonly child: Socket;
  /** Undefined as long as nothing may get through to the parent. */
  pipes: readonly [up: Pipe, down: Pipe] | undefined;
}

const pipeBytesMax = 32 * 1024;
const throttleTickMs = 20;
/** What was not sent for longer is not made up for. */
const throttleBurstMs = 1_000;
const throttleShareBytes = 512;

/** Forwards to `parentPort` on loopback, from `port`, or any that is free. `seed` is for jitter. */
export async function startFaultProxy(parentPort: number, port = 0, seed = 1): Promise<FaultProxy> {
  const proxy = new Proxying(parentPort, seed);
  await proxy.listen(port);
  return proxy;
}

class Proxying implements FaultProxy {
  readonly #parentPort: number;
  readonly #random;
  readonly #server = createServer({ allowHalfOpen: true }, (child) => this.#accept(child));
  readonly #connections = new Set<Connection>();
  /** Parents' ends that nobody is at the other end of. */
  readonly #abandoned = new Set<Socket>();
  readonly #listeners = { passed: new Set<(direction: Direction) => void>(), cut: new Set<() => void>() };
  #fault: LinkFault = { type: "pass" };
  #bytes = { up: 0, down: 0 };
  #throttling: NodeJS.Timeout | undefined;
  #turn = 0;

  constructor(parentPort: number, seed: number) {
    this.#parentPort = parentPort;
    this.#random = seeded(seed);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  set(fault: LinkFault): void {
    this.#fault = fault;
    this.#bytes = { up: 0, down: 0 };
    clearInterval(this.#throttling);
    this.#throttling = undefined;
    if (fault.type === "throttle") {
      let sharedMs = performance.now();
      this.#throttling = setInterval(() => {
        // By the time that has passed: a busy machine is late with its ticks, and the link is not to be slower for that.
        const nowMs = performance.now();
        const passedMs = Math.min(nowMs - sharedMs, throttleBurstMs);
        sharedMs = nowMs;
        this.#share(Math.floor((fault.bytesPerSecond * passedMs) / 1000));
      }, throttleTickMs);
      return;
    }
    for (const connection of this.#connections) {
      if (connection.pipes === undefined && this.#opensNew()) this.#openUp(connection);
      for (const pipe of connection.pipes ?? []) this.#pump(pipe);
    }
  }

  reset(): void {
    for (const connection of this.#connections) this.#drop(connection);
    for (const parent of this.#abandoned) parent.resetAndDestroy();
  }

  abandon(): void {
    for (const connection of this.#connections) {
      const { child, pipes } = connection;
      connection.pipes = undefined;
      for (const pipe of pipes ?? []) pipe.finished = true;
      const parent = pipes?.[0].target;
      if (parent !== undefined) {
        this.#abandoned.add(parent);
        parent.once("close", () => this.#abandoned.delete(parent));
        parent.resume();
      }
      child.resetAndDestroy();
    }
  }

  bytes(direction: Direction): number {
    return this.#bytes[direction];
  }

  passed(direction: Direction): Promise<void> {
    return new Promise((resolve) => {
      const listener = (passed: Direction): void => {
        if (passed !== direction) return;
        this.#listeners.passed.delete(listener);
        resolve();
      };
      this.#listeners.passed.add(listener);
    });
  }

  cut(): Promise<void> {
    return new Promise((resolve) => this.#listeners.cut.add(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#throttling);
    this.reset();
    this.#server.close();
    await once(this.#server, "close");
  }

  #opensNew(): boolean {
    const { type } = this.#fault;
    return type !== "half-open" && type !== "silent";
  }

  #accept(child: Socket): void {
    if (this.#fault.type === "accept-and-drop") {
      child.destroy();
      return;
    }
    const connection: Connection = { child, pipes: undefined };
    this.#connections.add(connection);
    child.on("error", () => undefined);
    child.once("close", () => {
      if (connection.pipes === undefined) this.#connections.delete(connection);
    });
    child.pause();
    if (this.#opensNew()) this.#openUp(connection);
  }

  #openUp(connection: Connection): void {
    const { child } = connection;
    const parent = connect({ port: this.#parentPort, host: "127.0.0.1", allowHalfOpen: true });
    parent.on("error", () => undefined);
    parent.once("close", () => {
      // It never came to a connection: the child learns at once.
      if (parent.bytesRead === 0 && parent.bytesWritten === 0) this.#drop(connection);
    });
    connection.pipes = [
      this.#layPipe("up", child, parent, connection),
      this.#layPipe("down", parent, child, connection),
    ];
    child.resume();
  }

  #layPipe(direction: Direction, source: Socket, target: Socket, connection: Connection): Pipe {
    const pipe: Pipe = {
      direction,
      source,
      target,
      queue: [],
      queuedBytes: 0,
      sourceEnded: false,
      finished: false,
    };
    source.on("data", (bytes) => {
      if (typeof bytes === "string") return;
      pipe.queue.push({ bytes, dueAtMs: performance.now() + this.#delayMs() });
      pipe.queuedBytes += bytes.length;
      if (pipe.queuedBytes > pipeBytesMax) source.pause();
      this.#pump(pipe);
    });
    const ended = (): void => {
      pipe.sourceEnded = true;
      this.#pump(pipe);
      if (connection.pipes?.every(({ finished }) => finished) === true) this.#drop(connection);
    };
    source.once("end", ended).once("close", ended);
    target.on("drain", () => this.#pump(pipe));
    return pipe;
  }

  #delayMs(): number {
    if (this.#fault.type !== "delay") return 0;
    return this.#fault.ms + this.#random.unit() * (this.#fault.jitterMs ?? 0);
  }

  /** Forwards what may pass now. */
  #pump(pipe: Pipe): void {
    const fault = this.#fault;
    if (fault.type === "throttle") return; // its own clock moves it
    if (fault.type === "silent" && (fault.direction === undefined || fault.direction === pipe.direction)) return;
    for (let next = pipe.queue[0]; next !== undefined; next = pipe.queue[0]) {
      if (pipe.target.writableNeedDrain) return;
      const waitMs = fault.type === "delay" ? next.dueAtMs - performance.now() : 0;
      if (waitMs > 0) {
        setTimeout(() => this.#pump(pipe), waitMs);
        return;
      }
      const left = this.#leftBeforeCut(pipe.direction);
      this.#forward(pipe, Math.min(next.bytes.length, left));
      if (this.#leftBeforeCut(pipe.direction) === 0) {
        this.#cutNow();
        return;
      }
    }
    this.#finish(pipe);
  }

  #leftBeforeCut(direction: Direction): number {
    const fault = this.#fault;
    if (fault.type !== "cut-at" || fault.direction !== direction) return Number.POSITIVE_INFINITY;
    return fault.byte - this.#bytes[direction];
  }

  #cutNow(): void {
    this.#fault = { type: "pass" };
    for (const connection of this.#connections) {
      // What has been forwarded arrives: a reset would throw it away, as it may also happen on a real network.
      for (const pipe of connection.pipes ?? []) pipe.target.destroySoon();
    }
    for (const listener of this.#listeners.cut) listener();
    this.#listeners.cut.clear();
  }

  /** Up to `bytesMax` from the head of the queue. */
  #forward(pipe: Pipe, bytesMax: number): number {
    const head = pipe.queue[0];
    if (head === undefined) return 0;
    const bytes = head.bytes.subarray(0, bytesMax);
    if (bytes.length === head.bytes.length) pipe.queue.shift();
    else pipe.queue[0] = { ...head, bytes: head.bytes.subarray(bytes.length) };
    pipe.queuedBytes -= bytes.length;
    this.#bytes[pipe.direction] += bytes.length;
    if (!pipe.target.destroyed) pipe.target.write(bytes);
    if (pipe.queuedBytes <= pipeBytesMax) pipe.source.resume();
    for (const listener of this.#listeners.passed) listener(pipe.direction);
    return bytes.length;
  }

  /** Round robin over the connections: a full one does not starve the others. */
  #share(bytesPerTick: number): void {
    for (const direction of ["up", "down"] as const) {
      const pipes = [...this.#connections].flatMap(({ pipes: both }) =>
        (both ?? []).filter((pipe) => pipe.direction === direction),
      );
      let left = bytesPerTick;
      for (let idle = 0; idle < pipes.length && left > 0; this.#turn++) {
        const pipe = pipes[this.#turn % pipes.length];
        const sent = pipe === undefined ? 0 : this.#forward(pipe, Math.min(left, throttleShareBytes));
        left -= sent;
        idle = sent === 0 ? idle + 1 : 0;
      }
      for (const pipe of pipes) this.#finish(pipe);
    }
  }

  /** The end of a stream passes behind its last byte. */
  #finish(pipe: Pipe): void {
    if (!pipe.sourceEnded || pipe.finished || pipe.queue.length > 0) return;
    pipe.finished = true;
    pipe.target.end();
  }

  #drop(connection: Connection): void {
    this.#connections.delete(connection);
    const sockets = connection.pipes === undefined ? [connection.child] : connection.pipes.map(({ source }) => source);
    for (const socket of sockets) socket.resetAndDestroy();
  }
}
