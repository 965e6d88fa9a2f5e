import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeCbor } from "#shared/cbor.ts";
import { parseNodeName } from "#shared/ids.ts";
import {
  decodeLevelAnswer,
  decodeLevelRequest,
  encodeLevelAnswer,
  encodeLevelRequest,
  type LevelAnswer,
  type LevelRequest,
} from "#shared/level/frames.ts";
import { limits } from "#shared/limits.ts";

const route = {
  id: "0123456789abcdef0123456789abcdef",
  target: parseNodeName("cloud-1"),
  via: ["device-1", "fog-2"].map(parseNodeName),
  attempt: 3,
};
const request: LevelRequest = {
  ...route,
  name: "blink",
  args: { times: [1, null, "x", new Uint8Array([1, 2])] },
  condition: "level == 'fog'",
  deadlineMs: 1_789_000_000_123,
  encoding: "cbor",
};

test("a request arrives as it was sent", () => {
  expect(decodeLevelRequest(encodeLevelRequest(request))).toEqual({ frame: request });
});

test.each<LevelAnswer["outcome"]>([
  { status: "ok", value: null },
  { status: "ok", value: { list: [1.5, true], bytes: new Uint8Array([9]) } },
  { status: "failed", reason: "no power" },
  { status: "refused", reason: "nobody" },
  { status: "timeout", reason: "late" },
  { status: "unreachable", reason: "cut" },
])("an outcome arrives as it was sent: %j", (outcome) => {
  expect(decodeLevelAnswer(encodeLevelAnswer({ ...route, outcome }))).toEqual({ frame: { ...route, outcome } });
});

test.each([
  [{ name: "no/name" }, "not a function's name"],
  [{ target: "a/b" }, "target is not a node name"],
  [{ via: ["+"] }, "via is not a node name"],
  [{ via: Array.from({ length: limits.callHops + 1 }, () => "fog-1") }, "via has 17 items"],
  [{ args: "x".repeat(2 * limits.callBytes) }, "more than 65536 bytes"],
  [{ condition: "x".repeat(limits.conditionBytes + 1) }, "condition is not a text"],
])("what a request may not be: %#", (change, reason) => {
  const bytes = encodeLevelRequest({ ...request, ...change } as LevelRequest);
  expect(decodeLevelRequest(bytes)).toEqual({ malformed: expect.stringContaining(reason) });
});

test("no bytes make it throw", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), fc.anything().map(encoded)), (bytes) => {
      for (const decoded of [decodeLevelRequest(bytes), decodeLevelAnswer(bytes)])
        expect(decoded).toHaveProperty("malformed");
    }),
  );
});

function encoded(value: unknown): Uint8Array {
  try {
    return encodeCbor(new Map([[0, value]]));
  } catch {
    return new Uint8Array();
  }
}
