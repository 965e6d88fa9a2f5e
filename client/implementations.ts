// Functions that this program offers at its node: asked by a message, answered on the topic that stands in it.
import { isFunctionName } from "../shared/machine/envelope.ts";
import { isCborMap } from "../shared/machine/request.ts";
import {
  cancelTopicOf,
  functionTopic,
  levelFunctionPrefix,
  levelResultPrefix,
  machineResultPrefix,
  schemaTopic,
} from "../shared/topics.ts";
import { decodeBody, encodeBody, fieldsOf, type Encoding } from "./body.ts";
import { FogbankClientError } from "./client-error.ts";
import { later } from "./patience.ts";
import type { Message, Session, Subscription } from "./session.ts";

/** The call that a function runs for. */
export interface CallContext {
  readonly id: string;
  /** The node where the call started. */
  readonly origin: string;
  /** By this machine's clock. */
  readonly deadline: Date;
  /** Aborts when nobody waits for the answer any more: at the deadline, when the call is cancelled, and when the connection is lost. */
  readonly signal: AbortSignal;
}

/** Answers what JSON or CBOR can carry. What it throws is told to the caller as the reason of the failure. */
export type FunctionHandler = (args: unknown, context: CallContext) => unknown;

export interface ImplementOptions {
  /** JSON Schema of the arguments: the node refuses what does not fit. It stays announced until another one is. */
  readonly schema?: object | boolean;
  /** Name of a group of programs that share the calls: each is run by one of them. */
  readonly share?: string;
  /** A function of the node's level (`/level/functions/…`) instead of one that is called down the tree. */
  readonly level?: boolean;
}

const timeoutMs = 10_000;

export class Implementations {
  readonly #session: Session;
  readonly #encoding: Encoding;
  readonly #onError: (error: unknown) => void;
  /** Runs by the topic that tells them to stop. */
  readonly #runs = new Map<string, AbortController>();
  readonly #cancels = new Map<string, Promise<Subscription>>();

  constructor(session: Session, encoding: Encoding, onError: (error: unknown) => void) {
    this.#session = session;
    this.#encoding = encoding;
    this.#onError = onError;
    session.onConnection((event) => {
      if (event.state !== "disconnected") return;
      for (const run of this.#runs.values()) run.abort(event.reason);
    });
  }

  /** Resolves when calls come; disposed: none comes any more. Rejects with `unauthorized`, and `refused` when the schema cannot be used. */
  async implement(name: string, handler: FunctionHandler, options: ImplementOptions): Promise<Subscription> {
    const { schema, share, level = false } = options;
    if (!isFunctionName(name) || (share !== undefined && !/^[^/+#]+$/.test(share)))
      throw new FogbankClientError(
        "bad-argument",
        `"${name.slice(0, 80)}" cannot be offered: a name or a group is wrong`,
      );
    if (schema !== undefined) {
      const announcement = {
        topic: schemaTopic(name),
        payload: encodeBody(schema, "json"),
        qos: 1,
        retain: true,
      } as const;
      await this.#session.publish(announcement, { timeoutMs });
    }
    await this.#hearCancels(level ? levelResultPrefix : machineResultPrefix);
    const topic = level ? `${levelFunctionPrefix}${name}` : functionTopic(name);
    const filter = share === undefined ? topic : `$share/${share}/${topic}`;
    return this.#session.subscribe(filter, 1, (message) => this.#run(message, handler), { timeoutMs });
  }

  async #hearCancels(prefix: string): Promise<void> {
    const stop = ({ topic }: Message): void =>
      this.#runs.get(topic)?.abort(new FogbankClientError("cancelled", "nobody waits for the answer any more"));
    const hearing =
      this.#cancels.get(prefix) ?? this.#session.subscribe(cancelTopicOf(`${prefix}+`), 1, stop, { timeoutMs });
    this.#cancels.set(prefix, hearing);
    try {
      await hearing;
    } catch (error) {
      this.#cancels.delete(prefix);
      throw error;
    }
  }

  async #run({ payload }: Message, handler: FunctionHandler): Promise<void> {
    const { id, args, origin, ttlMs, reply } = fieldsOf(decodeBody(payload)) ?? {};
    if (typeof reply !== "string" || typeof ttlMs !== "number") return; // not a call of a node
    const run = new AbortController();
    // How long, not until when: this program may run elsewhere than its node, by another clock.
    const due = new Date(Date.now() + ttlMs);
    const late = (): void => run.abort(new FogbankClientError("timeout", "the deadline of the call has passed"));
    const timer = later(ttlMs, late);
    this.#runs.set(cancelTopicOf(reply), run);
    try {
      const context = { id: String(id), origin: String(origin), deadline: due, signal: run.signal };
      const answer = await answerOf(handler, args ?? null, context, isCborMap(payload) ? "cbor" : this.#encoding);
      if (run.signal.aborted) return;
      await this.#session.publish({ topic: reply, payload: answer, qos: 1, retain: false }, { timeoutMs });
    } catch (error) {
      if (!run.signal.aborted) this.#onError(error);
    } finally {
      timer[Symbol.dispose]();
      this.#runs.delete(cancelTopicOf(reply));
    }
  }
}

async function answerOf(
  handler: FunctionHandler,
  args: unknown,
  context: CallContext,
  encoding: Encoding,
): Promise<Uint8Array> {
  try {
    return encodeBody({ result: (await handler(args, context)) ?? null }, encoding);
  } catch (error) {
    return encodeBody({ error: error instanceof Error ? error.message : String(error) }, encoding);
  }
}
