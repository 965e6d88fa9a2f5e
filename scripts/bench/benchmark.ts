// What every benchmark is: cases that can be run again and again, each on fresh nodes, and the columns of their figures.
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { BenchNodeDeps } from "./bench-node.ts";
import type { Generator } from "./generator-process.ts";
import type { Column } from "./table.ts";

export interface BenchContext {
  /** On the disk that is measured. */
  readonly folder: string;
  readonly nodeDeps: BenchNodeDeps;
  readonly generator: Generator;
  /** How long a load is measured. */
  readonly measureMs: number;
  /** Everything small: to see that it works. */
  readonly isQuick: boolean;
}

export type Figures = Readonly<Record<string, number>>;

export interface BenchRow {
  readonly name: string;
  readonly figures: Figures;
  /** Why figures are missing, or how to read them. */
  readonly note?: string;
}

export interface BenchCase {
  readonly name: string;
  /** One run. A benchmark that measures several things at once answers several rows. */
  run(context: BenchContext): Promise<readonly BenchRow[]>;
}

export interface Benchmark {
  /** For `--only`. */
  readonly name: string;
  /** What the table shows. */
  readonly title: string;
  readonly columns: readonly Column[];
  readonly cases: readonly BenchCase[];
}

export const payloadBytes = 256;

/** Calls `work` with an empty folder that is removed afterwards. */
export async function inFreshFolder<T>({ folder }: BenchContext, work: (folder: string) => Promise<T>): Promise<T> {
  const fresh = await mkdtemp(join(folder, "run-"));
  try {
    return await work(fresh);
  } finally {
    await rm(fresh, { recursive: true, force: true, maxRetries: 5 });
  }
}
