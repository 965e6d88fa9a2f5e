// Chance from the operating system.
import { randomBytes, randomUUID } from "node:crypto";
import type { Random } from "#shared/system/random.ts";

export const systemRandom: Random = {
  unit: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  uint32: () => randomBytes(4).readUInt32BE(0) || 1,
  uuid: () => randomUUID(),
};
