// What a write brings, before it is run: so that room can be made for it.
import type { FullPolicy, Priority } from "#shared/journal/stream.ts";
import { inflatedSegments } from "./body-deflation.ts";
import type { Demand } from "./eviction.ts";
import type { WriteRequest } from "./group-commit.ts";
import type { NodeWrites } from "./node-operations.ts";

type Args<Name extends keyof NodeWrites> = Parameters<NodeWrites[Name]>[0];

interface Traits {
  readonly priority: Priority;
  readonly policy: FullPolicy;
}

/** What the store knows of streams. */
export interface KnownStreams {
  /** Name and epoch of this node. */
  readonly node: string;
  readonly epoch: number;
  traits(node: string, epoch: number, streamId: number): Traits | undefined;
}

const pageBytes = 4_096;
/** A row beside its body, with its index entries. */
const rowBytes = 200;

/** The write with the bodies of its batch inflated: so they weigh, and so they are stored. */
export function withPlainBodies(request: WriteRequest): WriteRequest {
  if (request.name !== ("ingest" satisfies keyof NodeWrites)) return request;
  const args = request.args as Args<"ingest">; // typed where it was requested
  return { ...request, args: { ...args, batch: { ...args.batch, segments: inflatedSegments(args.batch.segments) } } };
}

/** Bytes that an append, or a batch from below, takes on the disk; 0 for every other write. */
export function bytesOf({ name, args }: WriteRequest): number {
  // Both typed where they were requested.
  if (name === ("append" satisfies keyof NodeWrites)) return storedBytes((args as Args<"append">).body);
  if (name !== ("ingest" satisfies keyof NodeWrites)) return 0;
  return (args as Args<"ingest">).batch.segments.reduce((sum, { body }) => sum + storedBytes(body), 0);
}

/** Of a write that brings messages; undefined for every other. */
export function demandOf(request: WriteRequest, known: KnownStreams): Demand | undefined {
  const bytes = bytesOf(request);
  if (bytes === 0) return undefined;
  if (request.name === ("ingest" satisfies keyof NodeWrites))
    return demandOfBatch(request.args as Args<"ingest">, bytes, known);
  const { node, epoch } = known;
  const { streamId } = request.args as Args<"append">;
  const traits = known.traits(node, epoch, streamId);
  return traits && { node, epoch, streamId, ...traits, bytes, attempted: "store a message" };
}

/** A batch speaks for its least important stream: so nobody is pushed out for whom another stream of it might not be. */
function demandOfBatch({ child, batch }: Args<"ingest">, bytes: number, known: KnownStreams): Demand | undefined {
  const attempted = `take in data of ${child}`;
  let least: Demand | undefined;
  let before = "";
  for (const { origin: node, epoch, streamId } of batch.segments) {
    const name = `${epoch} ${streamId} ${node}`;
    if (name === before) continue;
    before = name;
    const told = batch.streams.find((one) => one.origin === node && one.epoch === epoch && one.streamId === streamId);
    const traits = told ?? known.traits(node, epoch, streamId);
    if (traits === undefined) continue;
    const { priority, policy } = traits;
    if (least === undefined || priority > least.priority)
      least = { node, epoch, streamId, priority, policy, bytes, attempted };
  }
  return least;
}

/** A body beyond a page takes whole ones. */
function storedBytes(body: Uint8Array | null): number {
  const bytes = body?.length ?? 0;
  return rowBytes + (bytes < pageBytes ? bytes : Math.ceil(bytes / pageBytes) * pageBytes);
}
