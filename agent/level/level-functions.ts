// Functions of this level: a client of this node calls, this node and its programs answer, nothing leaves the node [J9] [J10].
import { levelProblemOnTheWay } from "#shared/level/frames.ts";
import { parseFunctionRequest, type FunctionRequest, type RefusedRequest } from "#shared/level/request.ts";
import { drawCallId } from "#shared/machine/call-id.ts";
import { isFunctionName } from "#shared/machine/envelope.ts";
import { readRequestProperties } from "#shared/machine/request-properties.ts";
import type { Bus, InboundPublish } from "#shared/system/bus.ts";
import type { Random } from "#shared/system/random.ts";
import { levelFunctionFilter, levelFunctionPrefix } from "#shared/topics.ts";
import type { LevelOutcome } from "#shared/level/outcome.ts";
import type { LevelRuns } from "./level-runs.ts";
import { answeringOf, repetitionRefused, type ReplyTo, type SendReply } from "./replies.ts";

export interface LevelFunctionsDeps {
  readonly bus: Pick<Bus, "intercept" | "rightsOf">;
  readonly runs: LevelRuns;
  readonly reply: SendReply;
  readonly random: Random;
}

/** Until it is disposed. `node`: the name of this one. */
export function startLevelFunctions(
  deps: LevelFunctionsDeps,
  node: string,
): Disposable & { readonly refused: () => number } {
  let refused = 0;
  const intercepting = deps.bus.intercept(levelFunctionFilter, (publish, settle) => {
    settle({ type: "take" });
    if (!take(deps, node, publish)) refused++;
  });
  return { refused: () => refused, [Symbol.dispose]: () => intercepting[Symbol.dispose]() };
}

/** False for a request that cannot be used: it is answered why. */
function take({ bus, runs, reply, random }: LevelFunctionsDeps, node: string, publish: InboundPublish): boolean {
  const name = publish.topic.slice(levelFunctionPrefix.length);
  const properties = readRequestProperties(publish);
  const request = parseFunctionRequest(publish.payload, properties);
  const { encoding, id = drawCallId(random) } = request;
  const { topic, closed } = answeringOf(bus, publish, node, { id, wanted: request.reply });
  const to: ReplyTo = { topic, correlation: properties.correlation, encoding };
  const answer = (outcome: LevelOutcome): void => reply(to, { id, node, ...functionStatusOf(outcome) });
  const refused = refusalOf(id, name, request, publish) ?? closed;
  if (refused !== undefined || "refused" in request) {
    answer({ status: "refused", reason: refused ?? "" });
    return false;
  }
  const { args, ttlMs } = request;
  runs.run({ caller: "", id, name, args, origin: node, condition: "", ttlMs, encoding }, topic, answer);
  return true;
}

function refusalOf(
  id: string,
  name: string,
  request: FunctionRequest | RefusedRequest,
  { repeated = false }: InboundPublish,
): string | undefined {
  if ("refused" in request) return request.refused;
  if (!isFunctionName(name)) return `"${name.slice(0, 80)}" cannot be a function's name`;
  // It goes nowhere, but what one level takes the others do.
  return levelProblemOnTheWay({ ...request, id, name, condition: "" }) ?? repetitionRefused(repeated, request.id);
}

/** As one node answers a call of the machines. */
function functionStatusOf(
  outcome: LevelOutcome,
): { readonly status: "done"; readonly value: LevelValue } | { readonly status: string; readonly reason: string } {
  if (outcome.status === "ok") return { status: "done", value: outcome.value };
  return { status: outcome.status === "timeout" ? "failed" : outcome.status, reason: outcome.reason };
}

type LevelValue = Extract<LevelOutcome, { readonly status: "ok" }>["value"];
