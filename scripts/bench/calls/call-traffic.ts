// What a node says of the machine messages on its links.
import { fetchText } from "../../demo/node-api.ts";

export interface CallTraffic {
  /** Envelopes and receipts in both directions, and their bytes. */
  readonly frames: number;
  readonly bytes: number;
}

/** Since the start of the node. */
export async function fetchCallTraffic(httpPort: number): Promise<CallTraffic> {
  const metrics = await fetchText(httpPort, "/metrics");
  const valueOf = (name: string): number =>
    Number(new RegExp(`^fogbank_calls_${name}_total (\\d+)$`, "m").exec(metrics)?.[1] ?? Number.NaN);
  return {
    frames: valueOf("frames_in") + valueOf("frames_out"),
    bytes: valueOf("frame_bytes_in") + valueOf("frame_bytes_out"),
  };
}

/** Of several nodes together. */
export async function sumCallTraffic(httpPorts: readonly number[]): Promise<CallTraffic> {
  const all = await Promise.all(httpPorts.map(fetchCallTraffic));
  return all.reduce((sum, { frames, bytes }) => ({ frames: sum.frames + frames, bytes: sum.bytes + bytes }), {
    frames: 0,
    bytes: 0,
  });
}

export function since(before: CallTraffic, now: CallTraffic): CallTraffic {
  return { frames: now.frames - before.frames, bytes: now.bytes - before.bytes };
}
