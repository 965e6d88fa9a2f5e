// How long the disk takes to say that a small write is safe: what each acknowledgement of a durable publish waits for.
import { randomUUID } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "#shared/system/clock.ts";
import { type Finding, ok } from "./finding.ts";

export interface SyncFacts {
  /** Milliseconds, in the order in which they were measured. */
  readonly syncsMs: readonly number[];
  /** The least time between two commits, as configured. */
  readonly minCommitMs: number;
  /** In memory every sync is fast, and none keeps anything. */
  readonly isMemory: boolean;
}

const syncsMax = 50;
const measureMsMax = 2_000;
/** A page of the database and its frame. */
const blockBytes = 4_096;
const slowMs = 20;
const verySlowMs = 500;
/** Faster than any disk that really writes: somewhere a cache answers. */
const tooFastMs = 0.02;
const check = "sync";

/**
 * Syncs small writes, at most so many and for so long. The file has no name any more while it is written: nothing stays behind, however
 * this ends. Rejects with the system's error when nothing can be written in `folder`.
 */
export async function measureSyncs(
  clock: Pick<Clock, "monotonic">,
  folder: string,
  show: (done: number, of: number) => void,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const path = join(folder, `.fogbank-doctor-${randomUUID()}`);
  const file = await open(path, "wx", 0o600);
  try {
    await rm(path);
    const block = new Uint8Array(blockBytes);
    const syncsMs: number[] = [];
    for (const endMs = clock.monotonic() + measureMsMax; syncsMs.length < syncsMax && clock.monotonic() < endMs;) {
      signal.throwIfAborted();
      const startMs = clock.monotonic();
      await file.write(block);
      await file.datasync();
      syncsMs.push(clock.monotonic() - startMs);
      show(syncsMs.length, syncsMax);
    }
    return syncsMs;
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

export function judgeSyncs({ syncsMs, minCommitMs, isMemory }: SyncFacts): Finding {
  const p50 = quantile(syncsMs, 0.5);
  const p99 = quantile(syncsMs, 0.99);
  const what = `a sync takes ${format(p50)} (half of ${syncsMs.length}), ${format(p99)} at worst`;
  if (p99 > verySlowMs) {
    return {
      check,
      level: "warning",
      what: `${what}: whoever publishes waits that long for an acknowledgement`,
      todo: "take another disk (of SD cards one of class A1 or A2), or see what else writes to this one",
    };
  }
  if (p50 > slowMs && minCommitMs === 0) {
    return {
      check,
      level: "advice",
      what: `${what}: each commit costs that, and wears a card out`,
      todo: 'set journal.profile = "flash": commits are gathered for 100 ms (or name the time in journal.min-commit-ms)',
    };
  }
  if (p50 < tooFastMs && !isMemory) {
    return {
      check,
      level: "advice",
      what: `${what}, faster than a disk can write: a cache answers`,
      todo: "make sure that it survives a power failure (of a virtual machine: its host's setting for the disk cache)",
    };
  }
  return ok(check, what);
}

/** The value that a share `q` of them does not exceed. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)] ?? 0;
}

function format(ms: number): string {
  return `${ms < 10 ? ms.toPrecision(2) : Math.round(ms)} ms`;
}
