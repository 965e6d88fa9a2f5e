// When something was used, and for what [U5]: the list `used` of a statistics row. Capped, the oldest goes first [U-T14].
import { limits } from "../limits.ts";

export interface Use {
  /** Seconds since 1970. */
  readonly timestamp: number;
  /** Of the device's `commands`. */
  readonly command: string;
}

/** `uses` are in order of time, and so is the answer, whenever `use` is told; of one second in the order of telling. */
export function withUse(uses: readonly Use[], use: Use): readonly Use[] {
  const later = uses.findIndex(({ timestamp }) => timestamp > use.timestamp);
  return uses.toSpliced(later === -1 ? uses.length : later, 0, use).slice(-limits.statisticsUses);
}
