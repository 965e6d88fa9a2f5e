// The watch over what is taken in.
import { expect, test } from "vitest";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import { TakenOnce } from "./taken-once.ts";

const nameMessage = (payload: Uint8Array): string => new TextDecoder().decode(payload);

function take(watch: TakenOnce, node: string, epoch: number, first: number, messages: readonly string[]): void {
  const payloads = messages.map((text) => new TextEncoder().encode(text));
  const body = encodeSegment(payloads.map((payload) => ({ timeMs: 1, topic: "/data/x", payload, retain: false })));
  const times = { firstMs: 1, lastMs: 1, flags: 0, gap: undefined };
  const segment = { origin: "device-1", epoch, streamId: 1, first, items: messages.length, body, ...times };
  watch.take(node, { ...segment, crc: nodeHasher.crc32(body) });
}

test("[O10] a number may arrive again with its message, cut otherwise, and under another epoch with another one", () => {
  const watch = new TakenOnce(nameMessage);
  take(watch, "fog-1", 5, 1, ["a", "b", "c"]);
  take(watch, "fog-2", 5, 2, ["b", "c"]);
  take(watch, "fog-2", 6, 1, ["d"]);
  expect(watch.faults).toEqual([]);
});

test("[O10] a number that arrives with another message is reported", () => {
  const watch = new TakenOnce(nameMessage);
  take(watch, "fog-1", 5, 1, ["a", "b"]);
  take(watch, "fog-2", 5, 2, ["x"]);
  expect(watch.faults).toEqual([expect.stringContaining("[O10] fog-2 takes in x as device-1 5 1 2, which was b")]);
});
