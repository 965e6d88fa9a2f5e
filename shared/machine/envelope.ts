// A machine message as it travels between nodes. Keys: PROTOCOL.md.
import { encodeCbor } from "../cbor.ts";
import { limits } from "../limits.ts";
import {
  Malformed,
  asBytes,
  asMap,
  asNodeName,
  asText,
  asTimeMs,
  asUint,
  decodeFrame,
  optional,
  u32Max,
} from "../link/fields.ts";
import type { NodeName } from "../ids.ts";
import { bytesOfCallId, callIdBytes, callIdOf } from "./call-id.ts";
import { fitsUnderName, nestedTooDeep, toCborValue, toPlainValue, type PlainValue } from "./plain-value.ts";

/** A function runs and is answered; events are told to whoever listens; a cancel ends the call of the same id. */
export type Kind = "function" | "internal" | "external" | "cancel";

/** `async`: at most once. `sync`: at least once, and a finished one is answered from its record. */
export type Mode = "async" | "sync";

/** `subtree`: down from the caller's node. `machine`: up as well. */
export type Scope = "subtree" | "machine";

export type Encoding = "json" | "cbor";

/** What is asked of those that match: to say that they are ready, to begin, or to end. It only grows. */
export type Phase = 0 | 1 | 2;
export const phases = { ready: 0, begin: 1, cancel: 2 } as const;

export interface Envelope {
  /** 16 bytes as 32 hexadecimal digits: chosen by the caller or drawn by its node, the same wherever the message goes. */
  readonly id: string;
  readonly kind: Kind;
  readonly name: string;
  readonly args: PlainValue;
  /** CEL text; empty: every node. */
  readonly condition: string;
  /** The caller's node. */
  readonly origin: NodeName;
  /** Tree time, milliseconds since 1970. Past it nothing is run any more. */
  readonly deadlineMs: number;
  readonly mode: Mode;
  /** Nodes that it has passed. */
  readonly hops: number;
  readonly scope: Scope;
  /** In which encoding the caller spoke: local programs are addressed in the same. */
  readonly encoding: Encoding;
  /** Tree time at which all begin together. */
  readonly startAtMs: number | undefined;
  /** So many must be ready before any begins; 0: each begins when it is asked. */
  readonly minNodes: number;
  /** The share of those that matched which must be done; 0: nobody asked. */
  readonly confirm: number;
  /** Of an event: it is kept for those that are away. */
  readonly durable: boolean;
  /** Tree time at which it was raised or called. */
  readonly timeMs: number;
  readonly phase: Phase;
  /** How often the sender has asked anew because nodes have come: receipts say which look they answer. */
  readonly look: number;
  /** The result of every node is wanted, not only those of the first thousand. */
  readonly wantsAll: boolean;
}

const kinds: readonly Kind[] = ["function", "internal", "external", "cancel"];
const modes: readonly Mode[] = ["async", "sync"];
const scopes: readonly Scope[] = ["subtree", "machine"];
const encodings: readonly Encoding[] = ["json", "cbor"];

export function isEvent({ kind }: Pick<Envelope, "kind">): boolean {
  return kind === "internal" || kind === "external";
}

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const { startAtMs, minNodes, confirm, durable, phase, look, wantsAll } = envelope;
  const optionals: [number, unknown][] = [
    ...(startAtMs === undefined ? [] : ([[12, BigInt(startAtMs)]] as [number, unknown][])),
    ...(minNodes === 0 ? [] : ([[13, minNodes]] as [number, unknown][])),
    ...(confirm === 0 ? [] : ([[14, confirm]] as [number, unknown][])),
    ...(durable ? ([[15, true]] as [number, unknown][]) : []),
    ...(phase === phases.begin ? [] : ([[17, phase]] as [number, unknown][])),
    ...(look === 0 ? [] : ([[18, look]] as [number, unknown][])),
    ...(wantsAll ? ([[19, true]] as [number, unknown][]) : []),
  ];
  return encodeCbor(
    new Map<number, unknown>([
      [0, bytesOfCallId(envelope.id)],
      [1, kinds.indexOf(envelope.kind)],
      [2, envelope.name],
      [3, toCborValue(envelope.args)],
      [4, envelope.condition],
      [5, envelope.origin],
      [6, BigInt(envelope.deadlineMs)],
      [7, modes.indexOf(envelope.mode)],
      [8, envelope.kind === "function"],
      [9, envelope.hops],
      [10, scopes.indexOf(envelope.scope)],
      [11, encodings.indexOf(envelope.encoding)],
      [16, BigInt(envelope.timeMs)],
      ...optionals,
    ]),
  );
}

export function decodeEnvelope(bytes: Uint8Array): { readonly frame: Envelope } | { readonly malformed: string } {
  if (bytes.length > limits.callBytes + envelopeOverhead) return { malformed: `more than ${limits.callBytes} bytes` };
  return decodeFrame(bytes, (value) => {
    const map = asMap(value, "envelope");
    const kind = kinds[asUint(map.get(1), "kind", 255)];
    if (kind === undefined) throw new Malformed("unknown kind of machine message");
    const args = toPlainValue(map.get(3) ?? null);
    if (args === undefined) throw new Malformed("arguments that are no plain value");
    const name = asText(map.get(2), "name", limits.functionNameChars);
    if (!isFunctionName(name)) throw new Malformed("not a function's name");
    return {
      id: readId(map.get(0)),
      kind,
      name,
      args,
      condition: asText(map.get(4) ?? "", "condition", limits.conditionBytes),
      origin: asNodeName(map.get(5), "origin"),
      deadlineMs: asTimeMs(map.get(6), "deadline"),
      mode: modes[asUint(map.get(7) ?? 0, "mode", 255)] ?? "async",
      hops: asUint(map.get(9), "hops", 255),
      scope: scopes[asUint(map.get(10) ?? 0, "scope", 255)] ?? "subtree",
      encoding: encodings[asUint(map.get(11) ?? 0, "encoding", 255)] ?? "json",
      startAtMs: optional(map.get(12), (at) => asTimeMs(at, "start")),
      minNodes: asUint(map.get(13) ?? 0, "minNodes", limits.minNodesMax),
      confirm: readShare(map.get(14) ?? 0),
      durable: map.get(15) === true,
      timeMs: asTimeMs(map.get(16) ?? 0, "time"),
      phase: readPhase(map.get(17) ?? phases.begin),
      look: asUint(map.get(18) ?? 0, "look", u32Max),
      wantsAll: map.get(19) === true,
    };
  });
}

/** Why no other node would take it, however far it gets: JSON may have grown in CBOR. Undefined: they will. */
export function problemOnTheWay(envelope: Envelope): string | undefined {
  if (!fitsUnderName(envelope.args)) return nestedTooDeep;
  const { startAtMs = envelope.deadlineMs } = envelope;
  const grown = { startAtMs, hops: limits.callHops, look: u32Max, phase: phases.cancel };
  const bytes = encodeEnvelope({ ...envelope, ...grown });
  const bytesMax = limits.callBytes + envelopeOverhead;
  if (bytes.length > bytesMax) return `it takes ${bytes.length} bytes of CBOR on its way, and may have ${bytesMax}`;
  const decoded = decodeEnvelope(bytes);
  return "malformed" in decoded ? `other nodes would not take it: ${decoded.malformed}` : undefined;
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

export function readPhase(value: unknown): Phase {
  if (value === 0 || value === 1 || value === 2) return value;
  throw new Malformed("unknown phase");
}

function readShare(value: unknown): number {
  if (typeof value === "number" && value >= 0 && value <= 1) return value;
  throw new Malformed("confirm is no share");
}
