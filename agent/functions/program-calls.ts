// Functions that programs at this node's broker offer: whoever is subscribed to the function's topic is asked by a message with named
// fields, and answers on the topic that stands in it. The first answer counts.
import { decodeCbor } from "#shared/cbor.ts";
import { drawCallId } from "#shared/machine/call-id.ts";
import { toPlainValue, type PlainValue } from "#shared/machine/plain-value.ts";
import { encodeReply, isCborMap, parseJson } from "#shared/machine/request.ts";
import type { Bus } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { Random } from "#shared/system/random.ts";
import { cancelTopicOf } from "#shared/topics.ts";
import type { Outcome, Run } from "./run.ts";
import { timeLeft, type TimeLeft } from "./time-left.ts";

export interface ProgramCallsDeps {
  readonly bus: Pick<Bus, "publish" | "exactSubscribers" | "intercept">;
  /** Tells when a client has gone, by its identifier. */
  readonly onClientGone: (listener: (clientId: string) => void) => Disposable;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly random: Random;
  readonly log: Logger;
}

export interface ProgramCalls extends Disposable {
  /** Whether a program is there that has subscribed to `topic` itself: whoever listens with a wildcard offers nothing. */
  offers(topic: string): boolean;
  /** `answered` hears the first answer, and where a program `must` answer that all who were asked have gone; nothing after `cancel`. */
  ask(run: Run, answered: (outcome: Outcome) => void, who: "must" | "may"): void;
  /** Nobody waits for the answer any more: those who were asked are told. */
  cancel(id: string): void;
  /** Another answer has come first. */
  forget(id: string): void;
}

interface Asked {
  readonly run: Run;
  readonly token: string;
  readonly answered: (outcome: Outcome) => void;
  /** Who must answer and is still there. */
  readonly programs: Set<string>;
}

/** Programs answer on `answerPrefix` and a token that is drawn for each run: ids are known to others. */
export function startProgramCalls(deps: ProgramCallsDeps, answerPrefix: string): ProgramCalls {
  const askedById = new Map<string, Asked>();
  const idByToken = new Map<string, string>();
  const answers = deps.bus.intercept(`${answerPrefix}+`, ({ topic, payload }, settle) => {
    settle({ type: "take" });
    const id = idByToken.get(topic.slice(answerPrefix.length));
    if (id !== undefined) forget(id)?.answered(readAnswer(payload));
  });
  const departures = deps.onClientGone((clientId) => {
    for (const [id, { programs }] of askedById) {
      if (!programs.delete(clientId) || programs.size > 0) continue;
      const asked = forget(id);
      if (asked !== undefined) allGone(asked);
    }
  });

  return {
    offers: (topic) => deps.bus.exactSubscribers(topic).length > 0,
    ask,
    cancel(id) {
      const asked = forget(id);
      if (asked !== undefined) publish(asked.run, cancelTopicOf(`${answerPrefix}${asked.token}`), { id });
    },
    forget: (id) => void forget(id),
    [Symbol.dispose]() {
      answers[Symbol.dispose]();
      departures[Symbol.dispose]();
      askedById.clear();
      idByToken.clear();
    },
  };

  function ask(run: Run, answered: Asked["answered"], who: "must" | "may"): void {
    const token = drawCallId(deps.random);
    // Nothing may come between this question and the message: of those who share the topic it tells the one whose turn it is.
    const programs = new Set(who === "must" ? deps.bus.exactSubscribers(run.topic) : []);
    askedById.set(run.id, { run, token, answered, programs });
    idByToken.set(token, run.id);
    publish(run, run.topic, requestOf(run, timeLeft(deps.clock, run.dueMs), `${answerPrefix}${token}`));
  }

  /** Others that offer it now, such as the next one of a group, may finish what may run again. */
  function allGone({ run, answered }: Asked): void {
    if (run.isRepeatable && deps.bus.exactSubscribers(run.topic).length > 0) ask(run, answered, "must");
    else answered({ status: "failed", reason: "the program that ran it has disconnected" });
  }

  function forget(id: string): Asked | undefined {
    const asked = askedById.get(id);
    if (asked === undefined) return undefined;
    askedById.delete(id);
    idByToken.delete(asked.token);
    return asked;
  }

  function publish({ name, encoding }: Run, topic: string, body: PlainValue): void {
    const message = { topic, payload: encodeReply(body, encoding), qos: 0, retain: false } as const;
    deps.bus.publish(message).catch((error: unknown) => {
      deps.log.warn({ name, error: String(error) }, "call not passed to local programs");
    });
  }
}

function requestOf({ id, name, args, origin }: Run, { ttlMs, deadline }: TimeLeft, reply: string): PlainValue {
  return { id, name, args, origin, deadline, ttlMs, reply };
}

const garbage: Outcome = {
  status: "failed",
  reason: 'the program answered garbage: it must be {"result": …} or {"error": "…"}',
};

/** `{"result": …}` or `{"error": "…"}`, in JSON or CBOR; any JSON value that is no object is the result itself. */
function readAnswer(payload: Uint8Array): Outcome {
  const value = isCborMap(payload) ? toPlainValue(decodeCbor(payload)?.value) : parseJson(payload);
  if (value === undefined) return garbage;
  if (value === null || typeof value !== "object" || Array.isArray(value) || value instanceof Uint8Array)
    return { status: "done", value };
  const { result, error, ...rest } = value as { readonly [key: string]: PlainValue };
  if (Object.keys(rest).length > 0 || (result === undefined) === (error === undefined)) return garbage;
  if (result !== undefined) return { status: "done", value: result };
  return { status: "failed", reason: typeof error === "string" ? error : JSON.stringify(error) };
}
