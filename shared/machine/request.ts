// What a person or a program publishes to call a function: JSON or CBOR, an envelope with names or the bare arguments.
import { decodeCbor, encodeCbor } from "../cbor.ts";
import { limits } from "../limits.ts";
import { isTopicName } from "../mqtt/topic.ts";
import { machineReplyTopic } from "../topics.ts";
import { isCallId } from "./call-id.ts";
import type { Encoding } from "./envelope.ts";
import { toCborValue, toJsonValue, toPlainValue, type PlainValue } from "./plain-value.ts";

export interface CallRequest {
  readonly args: PlainValue;
  readonly condition: string;
  readonly ttlMs: number;
  readonly id: string | undefined;
  readonly reply: string | undefined;
  readonly encoding: Encoding;
}

/** Why a request is refused, with as much of it as an answer needs. */
export interface BadRequest {
  readonly refused: string;
  readonly id: string | undefined;
  readonly reply: string | undefined;
  readonly encoding: Encoding;
}

const names = ["args", "if", "ttl", "id", "reply"] as const;

/** Reads a published request. A JSON object and a CBOR map are always the envelope; any other JSON value is the bare arguments. */
export function parseRequest(payload: Uint8Array): CallRequest | BadRequest {
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
    return { args: value, condition: "", ttlMs: limits.callTtlMs, id: undefined, reply: undefined, encoding };
  }
  const request = readFields(value, encoding);
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

function readFields(fields: { readonly [key: string]: PlainValue }, encoding: Encoding): CallRequest | BadRequest {
  const { args = null, ttl, if: condition = "" } = fields;
  const id = typeof fields["id"] === "string" && isCallId(fields["id"]) ? fields["id"] : undefined;
  const reply = typeof fields["reply"] === "string" && isReplyTopic(fields["reply"], id) ? fields["reply"] : undefined;
  const refuse = (refused: string): BadRequest => ({ refused, id, reply, encoding });
  const unknown = Object.keys(fields).find((name) => !names.some((known) => known === name));
  if (unknown !== undefined) {
    return refuse(
      `there is no field "${unknown.slice(0, 64)}" in a call: use ${names.join(", ")}; what is for the function goes into args`,
    );
  }
  if (fields["id"] !== undefined && id === undefined) return refuse("id must be 32 hexadecimal digits in lower case");
  if (fields["reply"] !== undefined && reply === undefined)
    return refuse("reply must be a topic for answers, not one of a function or of the node");
  if (typeof condition !== "string") return refuse("if must be a text: a condition in CEL");
  const ttlMs = ttl === undefined ? limits.callTtlMs : typeof ttl === "number" ? Math.round(ttl * 1000) : -1;
  if (!(ttlMs > 0) || ttlMs > limits.callTtlMsMax)
    return refuse(`ttl must be a number of seconds above 0, at most ${limits.callTtlMsMax / 1000}`);
  return { args, condition, ttlMs, id, reply, encoding };
}

/** Answers must not call functions, nor look like the node's own words, nor like answers to somebody else's call. */
export function isReplyTopic(topic: string, id: string | undefined): boolean {
  if (!isTopicName(topic) || topic.startsWith("$") || topic.startsWith("/from/")) return false;
  if (topic.startsWith("/machine/")) return id !== undefined && topic === machineReplyTopic(id);
  return !/^\/level\/(?:functions|calls|presence|uplink|journal|losses)(?:\/|$)/.test(topic);
}

function isRecord(value: PlainValue): value is { readonly [key: string]: PlainValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
