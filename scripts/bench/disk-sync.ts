// How long the disk takes to make 4 KiB durable: the physical limit of everything that is acknowledged after a sync.
import { closeSync, fdatasyncSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Samples } from "./percentiles.ts";
import { monotonicMs } from "./process-usage.ts";

export interface DiskSync {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly appends: number;
  /** A file system in memory: its syncs say nothing of a disk. */
  readonly isMemory: boolean;
}

const appendBytes = 4096;
const measureMsMax = 5000;
const tmpfsType = 0x01021994;

/** Appends `appendsMax` times to a file of its own in `folder`, each followed by fdatasync; fewer on a slow disk. */
export function measureDiskSync(folder: string, appendsMax: number): DiskSync {
  const path = join(folder, "disk-sync");
  const file = openSync(path, "a");
  const bytes = new Uint8Array(appendBytes).fill(120);
  const samples = new Samples();
  const endMs = monotonicMs() + measureMsMax;
  try {
    while (samples.count < appendsMax && monotonicMs() < endMs) {
      const startMs = monotonicMs();
      writeSync(file, bytes);
      fdatasyncSync(file);
      samples.add(monotonicMs() - startMs);
    }
  } finally {
    closeSync(file);
    rmSync(path);
  }
  const { p50, p99 } = samples.latency();
  return { p50Ms: p50, p99Ms: p99, appends: samples.count, isMemory: statfsSync(folder).type === tmpfsType };
}
