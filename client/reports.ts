// What a node answers to calls.
import { callStatuses, type CallStatus } from "../shared/machine/receipt.ts";
import { fieldsOf, type Fields } from "./body.ts";
import { FogbankClientError } from "./client-error.ts";

export type { CallStatus };

/** What one node made of a call. */
export interface NodeAnswer {
  readonly node: string;
  readonly status: CallStatus;
  /** Of one that is done. */
  readonly value?: unknown;
  /** Of any other. */
  readonly reason?: string;
}

/** A node that could not be asked yet. */
export interface WaitingNode {
  readonly node: string;
  /** ISO 8601. */
  readonly since: string;
  /** Where the call waits for it. */
  readonly at?: string;
  /** It was stopped on purpose. */
  readonly left?: boolean;
}

/** How far a call down the tree is; the last one is `final`. */
export interface CallReport {
  readonly id: string;
  readonly final: boolean;
  /** `matched` is the sum of the others. */
  readonly counts: Readonly<Record<"matched" | CallStatus, number>>;
  readonly results: readonly NodeAnswer[];
  /** Results left out because there are too many. */
  readonly omitted?: number;
  /** Nodes that could not be asked yet, of many a part. */
  readonly waiting: readonly WaitingNode[];
  /** Those that are waited for and not named. */
  readonly waitingOmitted?: number;
  /** Whether as many are done as `confirm` asked for. */
  readonly confirmed?: boolean;
}

/** What became of a call at one level. */
export interface LevelOutcome {
  readonly level: string;
  readonly node?: string;
  readonly status: "ok" | "failed" | "refused" | "timeout" | "unreachable";
  readonly value?: unknown;
  readonly reason?: string;
}

/** How far a call at several levels is; the last one is `final`. */
export interface LevelsReport {
  readonly id: string;
  readonly final: boolean;
  /** Of the last one: whether one level (sequential) or all (concurrent) were ok. */
  readonly ok?: boolean;
  readonly outcomes: readonly LevelOutcome[];
}

/** Throws `refused` when the node does not make the call, and `bad-answer`. */
export function readCallReport(body: unknown): CallReport {
  const fields = answerOf(body);
  const { final, counts, results, waiting } = fields;
  if (
    typeof final !== "boolean" ||
    fieldsOf(counts) === undefined ||
    !Array.isArray(results) ||
    !Array.isArray(waiting)
  )
    throw badAnswer();
  return fields as unknown as CallReport;
}

/** Throws `refused` and `bad-answer`. */
export function readLevelsReport(body: unknown): LevelsReport {
  const fields = answerOf(body);
  if (typeof fields["final"] !== "boolean" || !Array.isArray(fields["outcomes"])) throw badAnswer();
  return fields as unknown as LevelsReport;
}

/** Throws `refused` and `bad-answer`. */
export function readNodeAnswer(body: unknown): NodeAnswer {
  const fields = answerOf(body);
  const isStatus = callStatuses.some((status) => status === fields["status"]);
  if (typeof fields["node"] !== "string" || !isStatus) throw badAnswer();
  return fields as unknown as NodeAnswer;
}

function answerOf(body: unknown): Fields {
  const fields = fieldsOf(body);
  if (fields === undefined) throw badAnswer();
  const error = fieldsOf(fields["error"]);
  if (error === undefined) return fields;
  throw new FogbankClientError("refused", `the node does not make the call: ${String(error["message"])}`);
}

function badAnswer(): FogbankClientError {
  return new FogbankClientError("bad-answer", "what came as the answer to the call is none of this version");
}
