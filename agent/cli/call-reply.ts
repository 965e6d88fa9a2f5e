// What a node answers to a call, checked where it comes in. Fields that a newer node adds pass.
import * as v from "valibot";
import { FogbankError } from "#shared/errors.ts";
import { type LevelStatus, levelStatuses } from "#shared/level/outcome.ts";
import { type CallStatus, callStatuses } from "#shared/machine/receipt.ts";

export type MachineReply = CallReport | Refusal;

/** How far the call is; the last one has `final`. */
export interface CallReport {
  readonly final: boolean;
  /** Nothing but nodes that are away is waited for. */
  readonly settled?: boolean;
  /** Whether the share that was asked for is done. */
  readonly confirmed?: boolean;
  /** `matched` is the sum of the others. */
  readonly counts: Readonly<Record<"matched" | CallStatus, number>>;
  readonly results: readonly NodeAnswer[];
  /** Results left out because there are too many. */
  readonly omitted?: number;
  readonly waiting: readonly UnheardNode[];
  /** Nodes that are waited for beyond those that it names. */
  readonly waitingOmitted?: number;
}

/** A node that could not be asked or has not said anything. */
export interface UnheardNode {
  readonly node: string;
  /** ISO 8601. */
  readonly since: string;
  /** The node that waits for it. */
  readonly at?: string;
  /** It was stopped on purpose. */
  readonly left?: boolean;
}

/** What one node made of the call: also the whole answer to a call of a level. */
export interface NodeAnswer {
  readonly node: string;
  readonly status: CallStatus;
  /** Plain JSON. */
  readonly value?: unknown;
  readonly reason?: string;
}

export type LevelsReply = LevelsReport | Refusal;

/** What became of a call at several levels; those before the last one tell one outcome each. */
interface LevelsReport {
  readonly final: boolean;
  /** In the last one. */
  readonly ok?: boolean;
  readonly outcomes: readonly LevelAnswer[];
}

/** What one level made of the call. A level that has no node on the path has no name, a node that is not on it no level. */
export interface LevelAnswer {
  readonly level?: string;
  readonly node?: string;
  readonly status: LevelStatus;
  /** Plain JSON. */
  readonly value?: unknown;
  readonly reason?: string;
}

/** The node does not make the call. */
export interface Refusal {
  readonly final: true;
  readonly error: { readonly code: string; readonly message: string };
}

/** A reply as it was sent, and what was understood of it. */
export interface Read<T> {
  readonly raw: unknown;
  readonly reply: T;
}

/** Throws FOGBANK_NOT_ACKNOWLEDGED when it is none. */
export function readMachineReply(payload: Uint8Array): Read<MachineReply> {
  return read(machineReply, payload);
}

/** What one node made of a call. Throws FOGBANK_NOT_ACKNOWLEDGED when it is none. */
export function readNodeAnswer(payload: Uint8Array): Read<NodeAnswer> {
  return read(nodeAnswer, payload);
}

/** Throws FOGBANK_NOT_ACKNOWLEDGED when it is none. */
export function readLevelsReply(payload: Uint8Array): Read<LevelsReply> {
  return read(levelsReply, payload);
}

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const nodeAnswer: v.GenericSchema<unknown, NodeAnswer> = v.looseObject({
  node: v.string(),
  status: v.picklist(callStatuses),
  value: v.exactOptional(v.unknown()),
  reason: v.exactOptional(v.string()),
});
const refusal = v.looseObject({
  final: v.literal(true),
  error: v.looseObject({ code: v.string(), message: v.string() }),
});
const levelsReply: v.GenericSchema<unknown, LevelsReply> = v.union([
  refusal,
  v.looseObject({
    final: v.boolean(),
    ok: v.exactOptional(v.boolean()),
    outcomes: v.array(
      v.looseObject({
        level: v.exactOptional(v.string()),
        node: v.exactOptional(v.string()),
        status: v.picklist(levelStatuses),
        value: v.exactOptional(v.unknown()),
        reason: v.exactOptional(v.string()),
      }),
    ),
  }),
]);
const machineReply: v.GenericSchema<unknown, MachineReply> = v.union([
  refusal,
  v.looseObject({
    final: v.boolean(),
    settled: v.exactOptional(v.boolean()),
    confirmed: v.exactOptional(v.boolean()),
    counts: v.looseObject({
      matched: count,
      queued: count,
      started: count,
      done: count,
      failed: count,
      refused: count,
      expired: count,
      cancelled: count,
    }),
    results: v.array(nodeAnswer),
    omitted: v.exactOptional(count),
    waiting: v.array(
      v.looseObject({
        node: v.string(),
        since: v.string(),
        at: v.exactOptional(v.string()),
        left: v.exactOptional(v.boolean()),
      }),
    ),
    waitingOmitted: v.exactOptional(count),
  }),
]);

function read<T>(schema: v.GenericSchema<unknown, T>, payload: Uint8Array): Read<T> {
  try {
    const raw: unknown = JSON.parse(new TextDecoder().decode(payload));
    return { raw, reply: v.parse(schema, raw) };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "it cannot be read";
    throw new FogbankError(
      "FOGBANK_NOT_ACKNOWLEDGED",
      `what came as the answer to the call is none of this version: ${reason}`,
      { cause },
    );
  }
}
