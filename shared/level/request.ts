// What a person or a program publishes to call a function of this level, or of several: JSON or CBOR, with names, or the bare arguments.
// What MQTT 5 says beside it fills in what the body leaves out.
import { decodeCbor } from "../cbor.ts";
import { isNodeName } from "../ids.ts";
import { limits } from "../limits.ts";
import { isCallId } from "../machine/call-id.ts";
import type { Encoding } from "../machine/envelope.ts";
import { toPlainValue, type PlainValue } from "../machine/plain-value.ts";
import { isCborMap, isReplyTopic, parseJson } from "../machine/request.ts";
import type { RequestProperties } from "../machine/request-properties.ts";
import { isWellFormed, notWellFormed } from "../machine/well-formed.ts";
import type { Order } from "./destinations.ts";
import type { LevelMode } from "./level-call.ts";

/** Of both kinds. */
interface Addressed {
  readonly id: string | undefined;
  readonly reply: string | undefined;
  readonly encoding: Encoding;
}

/** On `/level/functions/<name>`. */
export interface FunctionRequest extends Addressed {
  readonly args: PlainValue;
  readonly ttlMs: number;
}

/** On `/level/calls/<name>`. */
export interface LevelsRequest extends Addressed {
  readonly args: PlainValue;
  /** CEL text, not parsed yet; empty: true. */
  readonly condition: string;
  /** Levels and names of nodes; undefined: this node and all above it. */
  readonly levels: readonly string[] | undefined;
  readonly order: Order;
  readonly mode: LevelMode;
  /** For each level. */
  readonly timeoutMs: number;
}

/** Why a request is refused, with as much of it as an answer needs. */
export interface RefusedRequest extends Addressed {
  readonly refused: string;
}

const functionNames = ["args", "ttl", "id", "reply"] as const;
const levelsNames = ["args", "if", "levels", "order", "mode", "timeoutMs", "id", "reply"] as const;
const modes: readonly LevelMode[] = ["concurrent", "sequential"];
const orders: readonly Order[] = ["nearest", "listed"];

export function parseFunctionRequest(
  payload: Uint8Array,
  properties: RequestProperties,
): FunctionRequest | RefusedRequest {
  const body = readBody(payload, properties, functionNames);
  if ("refused" in body) return body;
  const { fields, addressed } = body;
  const { args = null, ttl } = fields;
  const ttlMs = millisecondsOf(typeof ttl === "number" ? ttl * 1000 : ttl, properties, limits.callTtlMsMax);
  if (ttlMs === undefined) {
    return { ...addressed, refused: `ttl must be a number of seconds above 0, at most ${limits.callTtlMsMax / 1000}` };
  }
  return { ...addressed, args, ttlMs: ttlMs === "absent" ? limits.callTtlMs : ttlMs };
}

export function parseLevelsRequest(payload: Uint8Array, properties: RequestProperties): LevelsRequest | RefusedRequest {
  const body = readBody(payload, properties, levelsNames);
  if ("refused" in body) return body;
  const { fields, addressed } = body;
  const refuse = (refused: string): RefusedRequest => ({ ...addressed, refused });
  const { args = null, if: condition = "", levels } = fields;
  const mode = oneOf(modes, fields["mode"] ?? "concurrent");
  const order = oneOf(orders, fields["order"] ?? (levels === undefined ? "nearest" : "listed"));
  const timeoutMs = millisecondsOf(fields["timeoutMs"], properties, limits.levelCallMsMax);
  if (typeof condition !== "string") return refuse("if must be a text: a condition in CEL");
  if (mode === undefined) return refuse(`mode must be one of ${modes.join(", ")}`);
  if (order === undefined) return refuse(`order must be one of ${orders.join(", ")}`);
  if (levels !== undefined && !isListOfLevels(levels))
    return refuse(`levels must be a list of 1 to ${limits.callHops} of device, fog, cloud and names of nodes`);
  if (timeoutMs === undefined)
    return refuse(`timeoutMs must be a number of milliseconds above 0, at most ${limits.levelCallMsMax}`);
  return {
    ...addressed,
    args,
    condition,
    levels,
    order,
    mode,
    timeoutMs: timeoutMs === "absent" ? limits.levelCallMs : timeoutMs,
  };
}

interface Body {
  readonly fields: { readonly [name: string]: PlainValue };
  readonly addressed: Addressed;
}

/** The named fields, none but `names`; bare arguments as if they were named. */
function readBody(payload: Uint8Array, properties: RequestProperties, names: readonly string[]): Body | RefusedRequest {
  const encoding: Encoding = isCborMap(payload) ? "cbor" : "json";
  const value = encoding === "cbor" ? toPlainValue(decodeCbor(payload)?.value) : parseJson(payload);
  const fields = value !== undefined && isRecord(value) ? value : value === undefined ? {} : { args: value };
  const { id, reply = properties.responseTopic } = fields;
  const knownId = typeof id === "string" && isCallId(id) ? id : undefined;
  const knownReply = typeof reply === "string" && isReplyTopic(reply, knownId) ? reply : undefined;
  const addressed: Addressed = { id: knownId, reply: knownReply, encoding };
  const refuse = (refused: string): RefusedRequest => ({ ...addressed, refused });
  if (value === undefined)
    return refuse('this is neither JSON nor a CBOR map: publish {"args": …}, or the arguments alone as JSON');
  if (payload.length > limits.callBytes)
    return refuse(`a call may have ${limits.callBytes} bytes, this one has ${payload.length}`);
  if (!isWellFormed(value)) return refuse(notWellFormed);
  const unknown = Object.keys(fields).find((name) => !names.includes(name));
  if (unknown !== undefined)
    return refuse(`there is no field "${unknown.slice(0, 64)}" here: use ${names.join(", ")}; ${hintAt(unknown)}`);
  if (id !== undefined && knownId === undefined) return refuse("id must be 32 hexadecimal digits in lower case");
  if (reply !== undefined && knownReply === undefined)
    return refuse("reply must be a topic for answers, not one of a function or of the node");
  return { fields, addressed };
}

function hintAt(name: string): string {
  return name === "if"
    ? "a function of this level has no condition: it runs on this node"
    : "what is for the function goes into args";
}

/** Undefined: none that can be used. */
function millisecondsOf(
  value: PlainValue | undefined,
  { expiryMs }: RequestProperties,
  max: number,
): number | "absent" | undefined {
  if (value === undefined && expiryMs === undefined) return "absent";
  const given = value ?? Math.min(expiryMs ?? 0, max);
  const milliseconds = typeof given === "number" ? Math.round(given) : 0;
  return milliseconds > 0 && milliseconds <= max ? milliseconds : undefined;
}

function isListOfLevels(value: PlainValue): value is readonly string[] {
  const isList = Array.isArray(value) && value.length > 0 && value.length <= limits.callHops;
  return isList && value.every((word: PlainValue) => typeof word === "string" && isNodeName(word));
}

function oneOf<T extends string>(choices: readonly T[], value: PlainValue): T | undefined {
  return choices.find((choice) => choice === value);
}

function isRecord(value: PlainValue): value is { readonly [key: string]: PlainValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
