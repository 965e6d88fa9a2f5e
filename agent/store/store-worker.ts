// The thread that owns the node's database. One message is one commit or one read.
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "#shared/assert.ts";
import { FogbankError, type ErrorCode } from "#shared/errors.ts";
import { Moved, serveWorker } from "#shared/system/worker-rpc.ts";
import { startHeapCare } from "../system/heap-care.ts";
import { nodeHasher } from "../system/node-hasher.ts";
import { systemClock } from "../system/system-clock.ts";
import type { WriteOutcome, WriteRequest } from "./group-commit.ts";
import type { OutgoingAnswer } from "./link-operations.ts";
import { movableBuffers } from "./movable-bodies.ts";
import type { NodeReads } from "./node-operations.ts";
import type { SalvageReport } from "./salvage.ts";
import { openNodeDatabase, type NodeDatabase, type NodeDatabaseConfig } from "./node-database.ts";

export type StoreWorkerCalls = typeof handlers;

/** An outcome as it crosses the thread's border: errors as code and message. */
type WireOutcome =
  | { readonly value: unknown }
  | { readonly failed: { readonly code: ErrorCode; readonly message: string } };

let opened: NodeDatabase | undefined;

const handlers = {
  /** Answers what was salvaged, if the file was damaged. */
  open(_: null): SalvageReport | null {
    let salvaged: SalvageReport | null = null;
    const onSalvaged = (report: SalvageReport): void => void (salvaged = report);
    opened = openNodeDatabase({ hasher: nodeHasher, clock: systemClock, onSalvaged }, workerData as NodeDatabaseConfig);
    return salvaged;
  },
  commit: (requests: readonly WriteRequest[]): readonly WireOutcome[] => theStore().commit(requests).map(wireOutcome),
  read(request: WriteRequest): unknown {
    const answer = theStore().read(request);
    return new Moved(answer, movedIn(request.name as keyof NodeReads, answer)); // typed where it was requested
  },
  close(_: null): null {
    opened?.close();
    return null;
  },
};

assert(parentPort !== null, "the store worker runs in a worker thread");
serveWorker(parentPort, handlers);
startHeapCare(systemClock); // until the thread is ended

function theStore(): NodeDatabase {
  assert(opened !== undefined, "the store is opened first");
  return opened;
}

/** Buffers that the answer to that read brings along: nothing here looks at them again. */
function movedIn(name: keyof NodeReads, answer: unknown): readonly ArrayBuffer[] {
  // Both typed where they were requested.
  if (name === "after") return movableBuffers((answer as ReturnType<NodeReads["after"]>).segments);
  const found = name === "outgoing" ? (answer as OutgoingAnswer).found : null;
  return found === null ? [] : [found.segments.bytes.buffer];
}

function wireOutcome(outcome: WriteOutcome): WireOutcome {
  if (!("error" in outcome)) return outcome;
  assert(outcome.error instanceof FogbankError, "writes fail with a code");
  return { failed: { code: outcome.error.code, message: outcome.error.message } };
}
