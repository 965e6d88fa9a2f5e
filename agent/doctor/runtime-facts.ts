// What the machine tells of itself, without running a program.
import { readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { textOrNothing } from "./proc-text.ts";
import type { RuntimeFacts } from "./runtime.ts";

export function readRuntime(isNodeRunning: boolean): RuntimeFacts {
  const { deno, node } = process.versions;
  const limit = process.constrainedMemory();
  return {
    runtime: deno === undefined ? `Node ${node}` : `Deno ${deno}`,
    nodeMajor: Number(node.split(".")[0]),
    platform: process.platform,
    arch: process.arch,
    glibc: deno === undefined ? (glibcVersion() ?? "none") : undefined, // Deno tells a fixed one
    memoryBytes: limit > 0 ? Math.min(totalmem(), limit) : totalmem(),
    availableBytes: availableBytesIn(textOrNothing("/proc/meminfo")),
    cores: availableParallelism(),
    pageBytes: pageBytes(),
    isNodeRunning,
  };
}

/** Of /proc/meminfo. */
export function availableBytesIn(meminfo: string | undefined): number | undefined {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo ?? "")?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/** AT_PAGESZ of the auxiliary vector: pairs of 64-bit words in the machine's order, which is little-endian wherever this runs. */
export function pageBytesIn(auxv: Uint8Array): number | undefined {
  const pageSize = 6n;
  const view = new DataView(auxv.buffer, auxv.byteOffset, auxv.byteLength);
  for (let at = 0; at + 16 <= auxv.byteLength; at += 16) {
    if (view.getBigUint64(at, true) === pageSize) return Number(view.getBigUint64(at + 8, true));
  }
  return undefined;
}

function pageBytes(): number | undefined {
  try {
    return pageBytesIn(readFileSync("/proc/self/auxv"));
  } catch {
    return undefined;
  }
}

function glibcVersion(): string | undefined {
  // Without network it does not look up the names of all peers. The types do not know that property yet.
  const report: typeof process.report & { excludeNetwork?: boolean } = process.report;
  report.excludeNetwork = true;
  const { header } = report.getReport() as { readonly header?: { readonly glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime;
}
