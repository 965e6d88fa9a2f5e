// Functions of this level: a client of this node calls, this node and its programs answer, nothing leaves the node [J9] [J10].
import { parseRequest, encodeReply, type CallRequest } from "#shared/machine/request.ts";
import { drawCallId } from "#shared/machine/call-id.ts";
import { isFunctionName } from "#shared/machine/envelope.ts";
import { limits } from "#shared/limits.ts";
import type { Bus, InboundPublish } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { Random } from "#shared/system/random.ts";
import { levelFunctionFilter, levelFunctionPrefix, levelReplyTopic } from "#shared/topics.ts";
import type { FunctionRunner, Outcome } from "../functions/function-runner.ts";

export interface LevelDeps {
  readonly bus: Pick<Bus, "intercept" | "publish">;
  readonly runner: FunctionRunner;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Answers until it is disposed. `node`: the name of this one. */
export function startLevelCalls(deps: LevelDeps, node: string): AsyncDisposable {
  const stop = new AbortController();
  const open = new Set<string>();
  const timers = new Set<Promise<void>>();
  const calls = deps.bus.intercept(levelFunctionFilter, (publish, settle) => {
    settle({ type: "take" });
    take(publish);
  });
  return {
    async [Symbol.asyncDispose]() {
      calls[Symbol.dispose]();
      stop.abort();
      await Promise.all(timers);
    },
  };

  function take({ topic, payload, clientId }: InboundPublish): void {
    const name = topic.slice(levelFunctionPrefix.length);
    const request = parseRequest(payload);
    const id = request.id ?? drawCallId(deps.random);
    const reply =
      request.reply ?? levelReplyTopic(clientId !== null && /^[^+#/]+$/.test(clientId) ? clientId : node, id);
    const answer = (outcome: Outcome): void => {
      const { status, ...rest } = outcome;
      send(reply, encodeReply({ id, node, status, ...rest }, request.encoding));
    };
    const refused = refusalOf(name, request, id);
    if (refused === undefined) run(name, id, topic, request as CallRequest, answer);
    else answer({ status: "refused", reason: refused });
  }

  function refusalOf(name: string, request: ReturnType<typeof parseRequest>, id: string): string | undefined {
    if ("refused" in request) return request.refused;
    if (!isFunctionName(name)) return `"${name.slice(0, 80)}" cannot be a function's name`;
    if (request.condition !== "") return "a call of this level has no condition: it runs on this node";
    if (open.has(id)) return "a call with this id is under way";
    return open.size >= limits.openCalls ? `this node follows ${limits.openCalls} calls already` : undefined;
  }

  function run(
    name: string,
    id: string,
    topic: string,
    { args, ttlMs, encoding }: CallRequest,
    answer: (outcome: Outcome) => void,
  ): void {
    const ended = new AbortController();
    const end = (outcome: Outcome): void => {
      if (ended.signal.aborted) return;
      ended.abort();
      open.delete(id);
      deps.runner.cancel(id);
      answer(outcome);
    };
    open.add(id);
    const deadlineMs = deps.clock.now() + ttlMs;
    deps.runner.start({ id, name, args, origin: node, deadlineMs, encoding, topic }, end);
    const timer = deps.clock.sleep(ttlMs, AbortSignal.any([ended.signal, stop.signal])).then(
      () => end({ status: "failed", reason: "no answer before the deadline" }),
      () => undefined,
    );
    timers.add(timer);
    void timer.finally(() => timers.delete(timer));
  }

  function send(topic: string, payload: Uint8Array): void {
    deps.bus.publish({ topic, payload, qos: 1, retain: false }).catch((error: unknown) => {
      if (!stop.signal.aborted)
        deps.log.warn({ topic, error: String(error) }, "answer of a level function not published");
    });
  }
}
