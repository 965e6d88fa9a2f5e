// A parent's answer to a portion of what is below a child: without it the child tells no more.
import { encodeHeartbeat } from "#shared/link/hello.ts";
import type { TreeTime } from "./tree-time.ts";

export function portionAnswer(time: Pick<TreeTime, "now" | "synced">, portion: number): Uint8Array {
  const now = { nowMs: time.now(), synced: time.synced() };
  const nothing = { streams: [], creditBytes: undefined, path: undefined, descendants: undefined };
  return encodeHeartbeat({ ...now, ...nothing, belowHeard: portion });
}
