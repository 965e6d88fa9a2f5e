// Level calls on a link: a request for one node above, and its outcome on the way back. Keys: PROTOCOL.md.
import { encodeCbor } from "../cbor.ts";
import { parseNodeName, type NodeName } from "../ids.ts";
import { limits } from "../limits.ts";
import { asArray, asMap, asNodeName, asText, asTimeMs, asUint, decodeFrame, Malformed } from "../link/fields.ts";
import { bytesOfCallId } from "../machine/call-id.ts";
import { type Encoding, isFunctionName, readId } from "../machine/envelope.ts";
import { fitsUnderName, nestedTooDeep, type PlainValue, toCborValue, toPlainValue } from "../machine/plain-value.ts";
import { levelStatuses, type LevelOutcome } from "./outcome.ts";

/** What finds its way up to one node and back again. */
interface Routed {
  /** 32 hexadecimal digits: the same at all levels, and whenever it is sent again. */
  readonly id: string;
  /** The node that is asked. */
  readonly target: NodeName;
  /** The nodes below the sender (of an outcome: below the parent) that it comes from, the caller's first. */
  readonly via: readonly NodeName[];
  /** Which sending of the caller's node it is, from 1. */
  readonly attempt: number;
}

export interface LevelRequest extends Routed {
  readonly name: string;
  readonly args: PlainValue;
  /** CEL text; empty: true. */
  readonly condition: string;
  /** Tree time, milliseconds since 1970. */
  readonly deadlineMs: number;
  /** In which encoding the caller spoke. */
  readonly encoding: Encoding;
}

export interface LevelAnswer extends Routed {
  readonly outcome: LevelOutcome;
}

const encodings: readonly Encoding[] = ["json", "cbor"];
const longestName = parseNodeName("n".repeat(limits.nodeNameChars));
/** Room for everything but the arguments. */
const overheadBytes = 8 * 1024;

export function encodeLevelRequest(request: LevelRequest): Uint8Array {
  return encodeCbor(
    new Map<number, unknown>([
      ...routeOf(request),
      [2, request.name],
      [3, toCborValue(request.args)],
      [4, request.condition],
      [6, BigInt(Math.round(request.deadlineMs))],
      [11, encodings.indexOf(request.encoding)],
    ]),
  );
}

export function decodeLevelRequest(
  bytes: Uint8Array,
): { readonly frame: LevelRequest } | { readonly malformed: string } {
  if (bytes.length > limits.callBytes + overheadBytes) return { malformed: `more than ${limits.callBytes} bytes` };
  return decodeFrame(bytes, (value) => {
    const map = asMap(value, "level request");
    const args = toPlainValue(map.get(3) ?? null);
    if (args === undefined) throw new Malformed("arguments that are no plain value");
    const name = asText(map.get(2), "name", limits.functionNameChars);
    if (!isFunctionName(name)) throw new Malformed("not a function's name");
    return {
      ...readRoute(map),
      name,
      args,
      condition: asText(map.get(4) ?? "", "condition", limits.conditionBytes),
      deadlineMs: asTimeMs(map.get(6), "deadline"),
      encoding: encodings[asUint(map.get(11) ?? 0, "encoding", 255)] ?? "json",
    };
  });
}

/** Why no other node would take it, however far it gets: JSON may have grown in CBOR. Undefined: they will. */
export function levelProblemOnTheWay(
  request: Pick<LevelRequest, "id" | "name" | "args" | "condition">,
): string | undefined {
  if (!fitsUnderName(request.args)) return nestedTooDeep;
  const via: readonly NodeName[] = Array.from({ length: limits.callHops }, () => longestName);
  const far = { target: longestName, via, attempt: 0xffff, deadlineMs: 0, encoding: "json" } as const;
  const bytes = encodeLevelRequest({ ...request, ...far });
  const bytesMax = limits.callBytes + overheadBytes;
  if (bytes.length > bytesMax) return `it takes ${bytes.length} bytes of CBOR on its way, and may have ${bytesMax}`;
  const decoded = decodeLevelRequest(bytes);
  return "malformed" in decoded ? `other nodes would not take it: ${decoded.malformed}` : undefined;
}

export function encodeLevelAnswer(answer: LevelAnswer): Uint8Array {
  const { outcome } = answer;
  const code = levelStatuses.indexOf(outcome.status);
  const told = outcome.status === "ok" ? [code, toCborValue(outcome.value), null] : [code, null, outcome.reason];
  return encodeCbor(new Map<number, unknown>([...routeOf(answer), [19, told]]));
}

export function decodeLevelAnswer(bytes: Uint8Array): { readonly frame: LevelAnswer } | { readonly malformed: string } {
  return decodeFrame(bytes, (value) => {
    const map = asMap(value, "level answer");
    return { ...readRoute(map), outcome: readOutcome(map.get(19)) };
  });
}

function routeOf({ id, target, via, attempt }: Routed): [number, unknown][] {
  return [
    [0, bytesOfCallId(id)],
    [16, target],
    [17, via],
    [18, attempt],
  ];
}

function readRoute(map: ReadonlyMap<unknown, unknown>): Routed {
  return {
    id: readId(map.get(0)),
    target: asNodeName(map.get(16), "target"),
    via: asArray(map.get(17) ?? [], "via", limits.callHops).map((name) => asNodeName(name, "via")),
    attempt: asUint(map.get(18) ?? 1, "attempt", 0xffff),
  };
}

function readOutcome(value: unknown): LevelOutcome {
  const [code, answer, reason] = asArray(value, "outcome", 8);
  const status = levelStatuses[asUint(code, "status", 255)];
  if (status === undefined) throw new Malformed("outcome of an unknown kind");
  if (status !== "ok") return { status, reason: asText(reason, "reason", limits.callReasonChars) };
  const plain = toPlainValue(answer ?? null);
  if (plain === undefined) throw new Malformed("a result that is no plain value");
  return { status, value: plain };
}
