// What local clients publish, made into machine messages: or into the reason why not.
import type { NodeName } from "#shared/ids.ts";
import { limits } from "#shared/limits.ts";
import { drawCallId } from "#shared/machine/call-id.ts";
import {
  isFunctionName,
  phases,
  problemOnTheWay,
  type Encoding,
  type Envelope,
  type Kind,
} from "#shared/machine/envelope.ts";
import type { LocalCaller, ReplyTopics } from "#shared/machine/open-message.ts";
import { badTime, isReplyTopic, parseRequest, type BadRequest, type CallRequest } from "#shared/machine/request.ts";
import { readRequestProperties, type RequestProperties } from "#shared/machine/request-properties.ts";
import { isWellFormed, notWellFormed } from "#shared/machine/well-formed.ts";
import type { InboundPublish } from "#shared/system/bus.ts";
import type { Random } from "#shared/system/random.ts";
import { machineReplyTopic, machineResultsTopic } from "#shared/topics.ts";
import type { Publisher } from "../auth/publisher.ts";
import { parsePointInTime } from "../client/point-in-time.ts";

export interface IntakeDeps {
  readonly random: Random;
  /** Tree time. */
  readonly treeNow: () => number;
}

export interface Taken {
  readonly envelope: Envelope;
  readonly caller: LocalCaller;
}

export interface NotTaken {
  readonly id: string;
  readonly replies: ReplyTopics;
  readonly encoding: Encoding;
  readonly refused: string;
}

/** `self`: this node, where the message starts. */
export function takeIn(
  { random, treeNow }: IntakeDeps,
  self: NodeName,
  kind: Exclude<Kind, "cancel">,
  publish: InboundPublish,
  publisher: Publisher,
): Taken | NotTaken {
  const { topic, payload, qos, repeated = false } = publish;
  const name = topic.slice(topic.lastIndexOf("/") + 1);
  const isCall = kind === "function";
  const properties = readRequestProperties(publish);
  const request = parseRequest(payload, isCall ? "call" : "event", properties);
  const id = request.id ?? drawCallId(random);
  const results = "refused" in request ? undefined : request.results;
  const wanted = isCall ? replyTopicOf(request, id, properties) : undefined;
  const closed = [wanted, results].find((answers) => answers !== undefined && !isOpen(answers, id, publisher));
  const replies: ReplyTopics =
    wanted === undefined
      ? new Map()
      : new Map([[closed === wanted ? machineReplyTopic(id) : wanted, properties.correlation]]);
  const { encoding } = request;
  const refuse = (refused: string): NotTaken => ({ id, replies, encoding, refused });
  if (!isFunctionName(name)) return refuse(badName(name, isCall));
  if ("refused" in request) return refuse(request.refused);
  if (!isWellFormed([request.args, request.condition])) return refuse(notWellFormed);
  if (closed !== undefined) return refuse(`answers cannot go to "${closed.slice(0, 80)}": you may not publish there`);
  // An event at QoS 1 comes at least once anyway.
  if (isCall && repeated && request.id === undefined) return refuse(mayRunTwice);
  const nowMs = treeNow();
  const deadlineMs = nowMs + request.ttlMs;
  const startAtMs = timeOf(request.at);
  if (
    request.at !== undefined &&
    !(startAtMs !== undefined && startAtMs >= nowMs - limits.startLateMs && startAtMs < deadlineMs)
  )
    return refuse(badTime);
  const { args, condition, mode = "async", minNodes, confirm } = request;
  const scope = request.scope ?? (isCall ? "subtree" : "machine");
  const durable = !isCall && qos > 0;
  const phase = minNodes > 0 ? phases.ready : phases.begin;
  const when = { startAtMs, deadlineMs, timeMs: nowMs, hops: 0, look: 0 };
  const what = { id, kind, name, args, condition, origin: self, mode, scope, encoding };
  const wantsAll = results !== undefined;
  const envelope: Envelope = { ...what, ...when, minNodes, confirm, durable, phase, wantsAll };
  const problem = problemOnTheWay(envelope);
  if (problem !== undefined) return refuse(problem);
  return {
    envelope,
    caller: { kind: "local", replies, user: publisher.user, results },
  };
}

/** An event of this node itself. */
export function ownEvent(
  { random, treeNow }: IntakeDeps,
  self: NodeName,
  event: Pick<Envelope, "name" | "args" | "durable"> & {
    readonly kind: "internal" | "external";
    readonly ttlMs?: number;
    readonly scope?: Envelope["scope"];
    readonly condition?: string;
  },
): Envelope {
  const { name, kind, args, durable, scope = "machine", condition = "", ttlMs = limits.callTtlMs } = event;
  const timeMs = treeNow();
  const id = drawCallId(random);
  const how = { mode: "async", scope, encoding: "json", phase: phases.begin, hops: 0, look: 0 } as const;
  const nothing = { startAtMs: undefined, minNodes: 0, confirm: 0, wantsAll: false };
  return {
    id,
    kind,
    name,
    args,
    condition,
    origin: self,
    durable,
    timeMs,
    deadlineMs: timeMs + ttlMs,
    ...how,
    ...nothing,
  };
}

const mayRunTwice =
  "this publish may have come before, and a call without an id of its own could run twice: publish anew, or give calls an id";

function badName(name: string, isCall: boolean): string {
  const what = isCall ? "a function's" : "an event's";
  return `"${name.slice(0, 80)}" cannot be ${what} name: use letters, digits, ".", "_" or "-"`;
}

function timeOf(at: CallRequest["at"]): number | undefined {
  return at === undefined ? undefined : parsePointInTime(String(at));
}

/** Whether answers to the call `id` may go there. */
function isOpen(topic: string, id: string, { mayBeToldOn }: Publisher): boolean {
  return topic === machineReplyTopic(id) || topic === machineResultsTopic(id) || mayBeToldOn(topic);
}

/** Where the answers go: the topic of the body, or that of MQTT 5, or that of the call. */
function replyTopicOf(request: CallRequest | BadRequest, id: string, { responseTopic }: RequestProperties): string {
  const response = responseTopic !== undefined && isReplyTopic(responseTopic, id) ? responseTopic : undefined;
  return request.reply ?? response ?? machineReplyTopic(id);
}
