// An open message as the store keeps it, so that it goes on after a restart.
import { decodeCbor, encodeCbor } from "../cbor.ts";
import { isNodeName, type NodeName } from "../ids.ts";
import { decodeEnvelope, encodeEnvelope, type Envelope } from "./envelope.ts";
import { above, type Neighbour } from "./neighbour.ts";
import type { Caller } from "./open-message.ts";

export interface MessageRecord {
  readonly envelope: Envelope;
  readonly caller: Caller;
  /** Why it was called off. */
  readonly cancelled: string | undefined;
}

/**
 * `{0: envelope, 1: by a local client, 2: [[topic, correlation | null]…] | [neighbour, its name], 3: why it was called off, 4: user, 5: topic
 * for results}`
 */
export function encodeRecord({ envelope, caller, cancelled }: MessageRecord): Uint8Array {
  const isLocal = caller.kind === "local";
  return encodeCbor(
    new Map<number, unknown>([
      [0, encodeEnvelope(envelope)],
      [1, isLocal],
      [2, isLocal ? Array.from(caller.replies, ([topic, data]) => [topic, data ?? null]) : [caller.key, caller.name]],
      [3, cancelled ?? null],
      ...(isLocal
        ? ([
            [4, caller.user],
            [5, caller.results ?? null],
          ] as [number, unknown][])
        : []),
    ]),
  );
}

/** Undefined when it is none. */
export function decodeRecord(bytes: Uint8Array): MessageRecord | undefined {
  const map = decodeCbor(bytes)?.value;
  if (!(map instanceof Map)) return undefined;
  const body: unknown = map.get(0);
  const decoded = body instanceof Uint8Array ? decodeEnvelope(body) : undefined;
  const caller = readCaller(map.get(1), map.get(2), { user: map.get(4), results: map.get(5) });
  if (decoded === undefined || "malformed" in decoded || caller === undefined) return undefined;
  const cancelled: unknown = map.get(3);
  return { envelope: decoded.frame, caller, cancelled: typeof cancelled === "string" ? cancelled : undefined };
}

function readCaller(
  isLocal: unknown,
  value: unknown,
  { user, results }: { readonly user: unknown; readonly results: unknown },
): Caller | undefined {
  if (!Array.isArray(value)) return undefined;
  if (isLocal !== true) {
    const [key, name] = value as readonly unknown[];
    if (!isNeighbour(key) || typeof name !== "string" || !isNodeName(name)) return undefined;
    return { kind: "neighbour", key, name };
  }
  const replies = new Map<string, Uint8Array | undefined>();
  for (const entry of value as readonly unknown[]) {
    const [topic, data] = Array.isArray(entry) ? (entry as readonly unknown[]) : [];
    if (typeof topic === "string") replies.set(topic, data instanceof Uint8Array ? Uint8Array.from(data) : undefined);
  }
  return {
    kind: "local",
    replies,
    user: typeof user === "string" ? user : "",
    results: typeof results === "string" ? results : undefined,
  };
}

function isNeighbour(value: unknown): value is Neighbour {
  return value === above || isName(value);
}

function isName(value: unknown): value is NodeName {
  return typeof value === "string" && isNodeName(value);
}
