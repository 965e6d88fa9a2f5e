// One call over one connection: listens where the answer will come, publishes, and waits for the last word.
import { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import type { Message } from "#shared/system/bus.ts";
import { within } from "../client/deadline.ts";
import { connectMqttClient, type MqttClient } from "../client/mqtt-client.ts";
import { CommandFailure } from "./action.ts";
import type { MqttTarget } from "./addresses.ts";
import type { CliIo } from "./io.ts";

export interface Exchange<T> {
  /** The function's topic. */
  readonly topic: string;
  readonly request: Readonly<Record<string, unknown>>;
  /** Where the node answers. */
  readonly replyTopic: string;
  readonly ttlMs: number;
  /** What an answer comes to; undefined: it is not the last one. May throw. */
  readonly take: (payload: Uint8Array) => T | undefined;
  /** What comes there beside the answers. May throw. */
  readonly beside?: { readonly topic: string; readonly take: (payload: Uint8Array) => void };
  /** How the call is called off when the person asks the command to stop: it then waits for the last word. Absent: it just stops. */
  readonly cancel?: { readonly topic: string; readonly onCancel: () => void };
}

/** The node makes its final reply a second after the deadline at the latest; the rest is for the way. */
const graceMs = limits.callHopMs + 2_000;
/** How long the last word of a call that is called off is waited for. */
const lastWordMs = 5_000;

/** The call was called off, and its last word did not come: the message says why. */
export class LastWordUnheard extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = "LastWordUnheard";
  }
}

/**
 * Answers what the last reply came to. Rejects with FOGBANK_NOT_CONNECTED when there is no node, with FOGBANK_SUBSCRIPTION_REFUSED,
 * with FOGBANK_NOT_ACKNOWLEDGED when it is not known what became of the call, with what `take` throws, with the signal's reason when it
 * aborts and the call is not to be cancelled, and with LastWordUnheard when that was done and anything of this came behind it.
 */
export async function exchangeCall<T>(
  { clock, signal }: Pick<CliIo, "clock" | "signal">,
  target: MqttTarget,
  call: Exchange<T>,
): Promise<T> {
  const { promise: answered, resolve, reject } = Promise.withResolvers<T>();
  answered.catch(() => undefined); // it may fail before anybody waits for it
  const onMessage = ({ topic, payload }: Message): void => {
    try {
      if (topic === call.beside?.topic) call.beside.take(payload);
      if (topic !== call.replyTopic) return;
      const last = call.take(payload);
      if (last !== undefined) resolve(last);
    } catch (error) {
      reject(error);
    }
  };
  using interruption = new Interruption(signal);
  await using client = await connectMqttClient(clock, { ...target, onMessage }, interruption.connection);
  if (call.beside !== undefined) await listen(client, call.beside.topic);
  await listen(client, call.replyTopic);
  const unanswered = (reason: string, cause?: unknown): CommandFailure =>
    new CommandFailure(
      "FOGBANK_NOT_ACKNOWLEDGED",
      `the node did not answer the call on ${call.topic}, so it may or may not have run: ${reason}`,
      { cause },
    );
  client.ended.addEventListener("abort", () => reject(client.ended.reason), { once: true });
  const payload = new TextEncoder().encode(JSON.stringify(call.request));
  client.publish({ topic: call.topic, payload, qos: 1, retain: false }).catch(reject);
  let isCalledOff = false;
  if (call.cancel !== undefined) {
    const cancel = cancelling(clock, client, call.cancel, reject);
    interruption.instead(() => {
      isCalledOff = true;
      cancel();
    });
  }
  const waitMs = call.ttlMs + graceMs;
  try {
    return await within(clock, waitMs, answered, () => unanswered(`no final reply within ${waitMs / 1000} s`));
  } catch (cause) {
    if (isCalledOff) throw new LastWordUnheard(cause);
    const isCut = cause instanceof FogbankError && cause.code === "FOGBANK_NOT_CONNECTED" && !signal.aborted;
    throw isCut ? unanswered(cause.message, cause) : cause;
  }
}

/** The first Ctrl-C cuts the connection, or does what is to be done instead. */
class Interruption implements Disposable {
  readonly #signal: AbortSignal;
  readonly #connection = new AbortController();
  #act = (reason: unknown): void => this.#connection.abort(reason);

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    if (signal.aborted) this.#listener();
    else signal.addEventListener("abort", this.#listener, { once: true });
  }

  get connection(): AbortSignal {
    return this.#connection.signal;
  }

  instead(act: (reason: unknown) => void): void {
    this.#act = act;
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener("abort", this.#listener);
  }

  readonly #listener = (): void => this.#act(this.#signal.reason);
}

function cancelling(
  clock: CliIo["clock"],
  client: MqttClient,
  { topic, onCancel }: NonNullable<Exchange<unknown>["cancel"]>,
  reject: (reason: unknown) => void,
): () => void {
  return () => {
    onCancel();
    client.publish({ topic, payload: new Uint8Array(0), qos: 1, retain: false }).catch(reject);
    clock.sleep(lastWordMs, client.ended).then(
      () => reject(new Error(`the last word did not come within ${lastWordMs / 1000} s`)),
      () => undefined,
    );
  };
}

async function listen(client: MqttClient, topic: string): Promise<void> {
  const refused = await client.subscribe([topic], 1);
  if (refused.length === 0) return;
  throw new CommandFailure(
    "FOGBANK_SUBSCRIPTION_REFUSED",
    `the node does not let this client read the answers on "${topic}"`,
  );
}
