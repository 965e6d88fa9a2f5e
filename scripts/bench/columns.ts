// Columns that several tables have.
import type { Column } from "./table.ts";

export const latencyColumns: readonly Column[] = [
  { key: "p50", heading: "p50 ms", digits: 2 },
  { key: "p90", heading: "p90 ms", digits: 2 },
  { key: "p99", heading: "p99 ms", digits: 2 },
];

/** Of the three levels and the generator. */
export const treeCpuColumns: readonly Column[] = [
  { key: "deviceCpu", heading: "device CPU %", digits: 0 },
  { key: "fogCpu", heading: "fog %", digits: 0 },
  { key: "cloudCpu", heading: "cloud %", digits: 0 },
  { key: "generatorCpu", heading: "generator %", digits: 0 },
];

/** Of one node and the generator. */
export const nodeCpuColumns: readonly Column[] = [
  { key: "nodeCpu", heading: "node CPU %", digits: 0 },
  { key: "generatorCpu", heading: "generator CPU %", digits: 0 },
];

/** What came of that which was published. */
export const deliveryColumns: readonly Column[] = [
  { key: "lost", heading: "lost", digits: 0 },
  { key: "duplicates", heading: "twice", digits: 0 },
  { key: "overtaken", heading: "out of order", digits: 0 },
];
