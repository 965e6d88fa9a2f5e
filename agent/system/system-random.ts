// Chance from the operating system.
import { randomBytes, randomUUID } from "node:crypto";
import type { Random } from "#shared/system/random.ts";

export const systemRandom: Random = {
  // Spreads waits in time: nothing depends on nobody guessing it.
  unit: () => Math.random(),
  uint32: () => randomBytes(4).readUInt32BE(0) || 1,
  uuid: () => randomUUID(),
};
