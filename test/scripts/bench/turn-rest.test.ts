import { expect, test } from "vitest";
import { messagesWithoutRest } from "../../../scripts/bench/turn-rest.ts";

const flow = { publishers: 50, outstanding: 20, payloadBytes: 64 };

test("a rest is for large windows of which little came back", () => {
  expect(messagesWithoutRest([flow])).toBe(125);
  expect(messagesWithoutRest([{ ...flow, publishers: 1, subscribers: 200 }])).toBe(500);
});

test("one message in flight each, or a fixed rate, needs the generator awake", () => {
  expect(messagesWithoutRest([{ ...flow, outstanding: 1 }])).toBe(0);
  expect(messagesWithoutRest([flow, { ...flow, perSecond: 1000 }])).toBe(0);
});
