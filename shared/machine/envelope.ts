// A machine message as it travels between nodes. Keys: PROTOCOL.md.
import { encodeCbor } from "../cbor.ts";
import { limits } from "../limits.ts";
import { Malformed, asBytes, asMap, asNodeName, asText, asTimeMs, asUint, decodeFrame } from "../link/fields.ts";
import type { NodeName } from "../ids.ts";
import { bytesOfCallId, callIdBytes, callIdOf } from "./call-id.ts";
import { toCborValue, toPlainValue, type PlainValue } from "./plain-value.ts";

export interface Envelope {
  /** 16 bytes as 32 hexadecimal digits: chosen by the caller or drawn by its node, the same wherever the message goes. */
  readonly id: string;
  readonly name: string;
  readonly args: PlainValue;
  /** CEL text; empty: every node. */
  readonly condition: string;
  /** The caller's node. */
  readonly origin: NodeName;
  /** Tree time, milliseconds since 1970. Past it nothing is run any more. */
  readonly deadlineMs: number;
  /** Nodes that it has passed. */
  readonly hops: number;
  /** In which encoding the caller spoke: local programs are addressed in the same. */
  readonly encoding: Encoding;
}

export type Encoding = "json" | "cbor";

const functionKind = 0;
const encodings: readonly Encoding[] = ["json", "cbor"];

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  return encodeCbor(
    new Map<number, unknown>([
      [0, bytesOfCallId(envelope.id)],
      [1, functionKind],
      [2, envelope.name],
      [3, toCborValue(envelope.args)],
      [4, envelope.condition],
      [5, envelope.origin],
      [6, BigInt(envelope.deadlineMs)],
      [7, 0],
      [8, true],
      [9, envelope.hops],
      [10, 0],
      [11, encodings.indexOf(envelope.encoding)],
    ]),
  );
}

export function decodeEnvelope(bytes: Uint8Array): { readonly frame: Envelope } | { readonly malformed: string } {
  if (bytes.length > limits.callBytes + envelopeOverhead) return { malformed: `more than ${limits.callBytes} bytes` };
  return decodeFrame(bytes, (value) => {
    const map = asMap(value, "envelope");
    if (asUint(map.get(1), "kind", 255) !== functionKind) throw new Malformed("unknown kind of machine message");
    const args = toPlainValue(map.get(3) ?? null);
    if (args === undefined) throw new Malformed("arguments that are no plain value");
    const name = asText(map.get(2), "name", limits.functionNameChars);
    if (!isFunctionName(name)) throw new Malformed("not a function's name");
    return {
      id: readId(map.get(0)),
      name,
      args,
      condition: asText(map.get(4) ?? "", "condition", limits.conditionBytes),
      origin: asNodeName(map.get(5), "origin"),
      deadlineMs: asTimeMs(map.get(6), "deadline"),
      hops: asUint(map.get(9), "hops", 255),
      encoding: encodings[asUint(map.get(11) ?? 0, "encoding", 255)] ?? "json",
    };
  });
}

/** Room for everything but name and arguments. */
const envelopeOverhead = 4 * 1024;

/** One topic level without wildcards. */
export function isFunctionName(text: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(text) && text.length <= limits.functionNameChars;
}

export function readId(value: unknown): string {
  const bytes = asBytes(value, "call id", callIdBytes);
  if (bytes.length !== callIdBytes) throw new Malformed("a call id has 16 bytes");
  return callIdOf(bytes);
}
