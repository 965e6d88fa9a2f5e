// What a person or a program publishes to call a function or to raise an event: JSON or CBOR, an envelope with names or the bare
// arguments.
import { decodeCbor, encodeCbor } from "../cbor.ts";
import { limits } from "../limits.ts";
import { isTopicName } from "../mqtt/topic.ts";
import { isNodeState, machineReplyTopic, machineResultsTopic } from "../topics.ts";
import { isCallId } from "./call-id.ts";
import type { Encoding, Mode, Scope } from "./envelope.ts";
import { toCborValue, toJsonValue, toPlainValue, type PlainValue } from "./plain-value.ts";
import type { RequestProperties } from "./request-properties.ts";

export interface CallRequest {
  readonly args: PlainValue;
  readonly condition: string;
  readonly ttlMs: number;
  readonly id: string | undefined;
  readonly reply: string | undefined;
  /** Where the result of each node is told by itself. */
  readonly results: string | undefined;
  /** Undefined: what is usual for its kind. */
  readonly mode: Mode | undefined;
  readonly scope: Scope | undefined;
  /** When to begin: ISO 8601, or milliseconds since 1970. */
  readonly at: string | number | undefined;
  readonly minNodes: number;
  readonly confirm: number;
  readonly encoding: Encoding;
}

/** Why a request is refused, with as much of it as an answer needs. */
export interface BadRequest {
  readonly refused: string;
  readonly id: string | undefined;
  readonly reply: string | undefined;
  readonly encoding: Encoding;
}

/** The fields of each kind of request. */
const namesOf = {
  call: ["args", "if", "ttl", "id", "reply", "mode", "scope", "at", "minNodes", "confirm", "results"],
  event: ["args", "if", "ttl", "id", "scope"],
} as const;

export type RequestKind = keyof typeof namesOf;

const bare = {
  condition: "",
  ttlMs: limits.callTtlMs,
  id: undefined,
  reply: undefined,
  results: undefined,
  mode: undefined,
  scope: undefined,
  at: undefined,
  minNodes: 0,
  confirm: 0,
} as const;

/**
 * Reads a published request. A JSON object and a CBOR map are always the envelope; any other JSON value is the bare arguments.
 * `expiryMs`: the life that MQTT 5 gives the message, for a request that does not say how long it is to live.
 */
export function parseRequest(
  payload: Uint8Array,
  kind: RequestKind,
  { expiryMs }: Pick<RequestProperties, "expiryMs"> = { expiryMs: undefined },
): CallRequest | BadRequest {
  const encoding: Encoding = isCborMap(payload) ? "cbor" : "json";
  const refuse = (refused: string): BadRequest => ({ refused, id: undefined, reply: undefined, encoding });
  const value = encoding === "cbor" ? toPlainValue(decodeCbor(payload)?.value) : parseJson(payload);
  if (value === undefined) {
    return refuse('this is neither JSON nor a CBOR map: publish {"args": …}, or the arguments alone as JSON');
  }
  const tooLarge =
    payload.length > limits.callBytes
      ? `a call may have ${limits.callBytes} bytes, this one has ${payload.length}`
      : undefined;
  if (!isRecord(value)) {
    if (tooLarge !== undefined) return refuse(tooLarge);
    return expiryMs === 0 ? refuse(badTtl) : { ...bare, args: value, ttlMs: lifeOf(expiryMs), encoding };
  }
  const request = readFields(value, encoding, kind, expiryMs);
  if (tooLarge === undefined || "refused" in request) return request;
  return { refused: tooLarge, id: request.id, reply: request.reply, encoding };
}

/** An answer in the caller's encoding. */
export function encodeReply(value: PlainValue, encoding: Encoding): Uint8Array {
  return encoding === "cbor" ? encodeCbor(toCborValue(value)) : utf8Encoder.encode(JSON.stringify(toJsonValue(value)));
}

/** Whether the first byte is that of a CBOR map. */
export function isCborMap(payload: Uint8Array): boolean {
  const first = payload[0];
  return first !== undefined && first >= 0xa0 && first <= 0xbf;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });
const utf8Encoder = new TextEncoder();

/** JSON without blanks in front: those would make a text of anything. */
export function parseJson(payload: Uint8Array): PlainValue | undefined {
  const first = payload[0];
  if (first === undefined || first <= 0x20) return undefined;
  try {
    return toPlainValue(JSON.parse(utf8.decode(payload)));
  } catch {
    return undefined;
  }
}

type Fields = { readonly [key: string]: PlainValue };

/** A message that lives longer than a call may is a call as long as may be. */
function lifeOf(expiryMs = limits.callTtlMs as number): number {
  return Math.min(expiryMs, limits.callTtlMsMax);
}

function readFields(
  fields: Fields,
  encoding: Encoding,
  kind: RequestKind,
  expiryMs: number | undefined,
): CallRequest | BadRequest {
  const { args = null, ttl, if: condition = "", at } = fields;
  const id = typeof fields["id"] === "string" && isCallId(fields["id"]) ? fields["id"] : undefined;
  const reply = typeof fields["reply"] === "string" && isReplyTopic(fields["reply"], id) ? fields["reply"] : undefined;
  const refuse = (refused: string): BadRequest => ({ refused, id, reply, encoding });
  const names: readonly string[] = namesOf[kind];
  const unknown = Object.keys(fields).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const what = kind === "event" ? "an event" : "a call";
    return refuse(
      `there is no field "${unknown.slice(0, 64)}" in ${what}: use ${names.join(", ")}; what is for the function goes into args`,
    );
  }
  if (fields["id"] !== undefined && id === undefined) return refuse("id must be 32 hexadecimal digits in lower case");
  if (fields["reply"] !== undefined && reply === undefined)
    return refuse("reply must be a topic for answers, not one of a function or of the node");
  if (typeof condition !== "string") return refuse("if must be a text: a condition in CEL");
  const ttlMs = ttl === undefined ? lifeOf(expiryMs) : typeof ttl === "number" ? Math.round(ttl * 1000) : -1;
  if (!(ttlMs > 0) || ttlMs > limits.callTtlMsMax) return refuse(badTtl);
  if (at !== undefined && typeof at !== "string" && typeof at !== "number") return refuse(badTime);
  const options = readOptions(fields, id);
  if (typeof options === "string") return refuse(options);
  return { args, condition, ttlMs, id, reply, at, ...options, encoding };
}

const badTtl = `ttl must be a number of seconds above 0, at most ${limits.callTtlMsMax / 1000}`;

export const badTime = "at must be a time to come within the call's ttl: ISO 8601, or milliseconds since 1970";

/** How the call is to be made; a text: what is wrong with it. */
function readOptions(
  fields: Fields,
  id: string | undefined,
): Pick<CallRequest, "mode" | "scope" | "minNodes" | "confirm" | "results"> | string {
  const { mode, scope, minNodes = 0, confirm = 0, results } = fields;
  if (mode !== undefined && mode !== "async" && mode !== "sync") return 'mode must be "async" or "sync"';
  if (scope !== undefined && scope !== "subtree" && scope !== "machine") return 'scope must be "subtree" or "machine"';
  if (typeof minNodes !== "number" || !Number.isInteger(minNodes) || minNodes < 0 || minNodes > limits.minNodesMax)
    return `minNodes must be a number of nodes, at most ${limits.minNodesMax}`;
  if (minNodes > 0 && mode !== "sync") return 'minNodes needs "mode": "sync"';
  if (typeof confirm !== "number" || !(confirm >= 0 && confirm <= 1)) return "confirm must be a share from 0 to 1";
  if (results !== undefined && !(typeof results === "string" && isResultsTopic(results, id)))
    return "results must be a topic for answers, not one of a function or of the node";
  return { mode, scope, minNodes, confirm, results };
}

/** As `isReplyTopic`, and beside the replies to the same call. */
function isResultsTopic(topic: string, id: string | undefined): boolean {
  return isReplyTopic(topic, id) || (id !== undefined && topic === machineResultsTopic(id));
}

/** Answers must not call functions, nor look like the node's own words, nor like answers to somebody else's call. */
export function isReplyTopic(topic: string, id: string | undefined): boolean {
  if (!isTopicName(topic) || topic.startsWith("$") || topic.startsWith("/from/")) return false;
  if (topic.startsWith("/machine/")) return id !== undefined && topic === machineReplyTopic(id);
  return !isNodeState(topic) && !/^\/level\/(?:functions|calls)(?:\/|$)/.test(topic);
}

function isRecord(value: PlainValue): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
