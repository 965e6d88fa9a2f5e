// Requests and answers over a message port, typed by the handlers that serve them.
//
//   callWorker   --{ id, name, args }-->   serveWorker
//                <--{ id, result | error }--
//
// Only FogbankErrors cross, as code and message. Any other throw in a handler is a bug: it leaves the worker as uncaught.
// No timers and no limit on calls in flight: who calls bounds its own queue.
import { FogbankError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";

/** What a worker serves: each takes one structured-cloneable value and answers another, at once or by a promise. */
export type Handlers = Record<string, (args: never) => unknown>;

/** An answer with buffers in it that are moved instead of copied: the worker may not look at them afterwards. */
export class Moved {
  readonly value: unknown;
  readonly buffers: readonly ArrayBuffer[];

  constructor(value: unknown, buffers: readonly ArrayBuffer[]) {
    this.value = value;
    this.buffers = buffers;
  }
}

/** Calls one of `H` by name. The buffers in `transfer` change owner. Rejects with the handler's FogbankError, or FOGBANK_STORE_CLOSED once the worker is gone. */
export type CallsOf<H extends Handlers> = <Name extends keyof H & string>(
  name: Name,
  args: Parameters<H[Name]>[0],
  transfer?: readonly ArrayBuffer[],
) => Promise<Awaited<ReturnType<H[Name]>>>;

/** The part of a MessagePort that the serving side uses. */
export interface ServingPort {
  postMessage(value: unknown, transfer?: readonly ArrayBuffer[]): void;
  on(event: "message", listener: (value: unknown) => void): unknown;
}

/** The part of a Worker (ends with `exit`) or MessagePort (ends with `close`) that the calling side uses. */
export interface CallingPort {
  postMessage(value: unknown, transfer?: readonly ArrayBuffer[]): void;
  on(event: "message" | "exit" | "close", listener: (value: unknown) => void): unknown;
}

/** Answers the calls that arrive on `port`, each started in order of arrival. */
export function serveWorker(port: ServingPort, handlers: Handlers): void {
  const byName = new Map<string, (args: never) => unknown>(Object.entries(handlers));
  port.on("message", (value) => {
    const { id, name, args } = value as Request; // both ends are this file
    const handler = byName.get(name);
    if (handler === undefined) throw new Error(`assertion failed: the worker serves "${name}"`);
    const refuse = (error: unknown): void => {
      if (!(error instanceof FogbankError)) throw error;
      port.postMessage({ id, error: { code: error.code, message: error.message } } satisfies Reply);
    };
    let result: unknown;
    try {
      result = handler(args as never);
    } catch (error) {
      refuse(error);
      return;
    }
    // No promise for a handler that answers at once: the worker's next message does not wait a turn.
    if (result instanceof Promise) {
      void result.then((late: unknown) => port.postMessage({ id, result: late } satisfies Reply), refuse);
    } else if (result instanceof Moved) {
      port.postMessage({ id, result: result.value } satisfies Reply, result.buffers);
    } else {
      port.postMessage({ id, result } satisfies Reply);
    }
  });
}

/** The calling side of `port`. When the worker ends, pending and later calls reject with FOGBANK_STORE_CLOSED. */
export function callWorker<H extends Handlers>(port: CallingPort): CallsOf<H> {
  const pendingById = new Map<number, Pending>();
  let nextId = 1;
  let ended = false;

  port.on("message", (value) => {
    const reply = value as Reply; // both ends are this file
    const pending = pendingById.get(reply.id);
    if (pending === undefined) return;
    pendingById.delete(reply.id);
    if ("error" in reply) pending.reject(new FogbankError(reply.error.code, reply.error.message));
    else pending.resolve(reply.result);
  });
  const end = (): void => {
    ended = true;
    for (const pending of pendingById.values()) pending.reject(closedError(pending.name));
    pendingById.clear();
  };
  port.on("exit", end);
  port.on("close", end);

  const call = (name: string, args: unknown, transfer?: readonly ArrayBuffer[]): Promise<unknown> => {
    if (ended) return Promise.reject(closedError(name));
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const id = nextId++;
    pendingById.set(id, { name, resolve, reject });
    try {
      port.postMessage({ id, name, args } satisfies Request, transfer);
    } catch (error) {
      pendingById.delete(id);
      reject(error);
    }
    return promise;
  };
  return call as CallsOf<H>;
}

interface Request {
  readonly id: number;
  readonly name: string;
  readonly args: unknown;
}

type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly code: ErrorCode; readonly message: string } };

interface Pending {
  readonly name: string;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

function closedError(name: string): FogbankError {
  return new FogbankError("FOGBANK_STORE_CLOSED", `the worker has ended: "${name}" was not answered`);
}
