// The watch over alarms: what it takes for overtaking, and what not.
import { expect, test } from "vitest";
import { Overtaking } from "./overtaking.ts";

const segment = {
  epoch: 1,
  items: 1,
  firstMs: 1,
  lastMs: 1,
  flags: 0,
  crc: 0,
  body: new Uint8Array([0]),
  gap: undefined,
};

function watched(): Overtaking {
  const overtaking = new Overtaking(["alarm"]);
  const commit = overtaking.follow("device-1");
  commit(
    [{ name: "open", args: { streams: [{ name: "alarm" }, { name: "bulk" }] } }],
    [{ value: { streamIds: [1, 2] } }],
  );
  commit([{ name: "append", args: { streamId: 1 } }], [{ value: { first: 7 } }]);
  return overtaking;
}

function send(overtaking: Overtaking, session: number, streamId: number, first: number): void {
  const segments = [{ ...segment, origin: "device-1", streamId, first }];
  overtaking.sent("device-1", "device-1", { session, segments });
}

test("an alarm that leaves among the next frames is in time", () => {
  const overtaking = watched();
  for (let frame = 1; frame <= 20; frame++) send(overtaking, 1, 2, frame);
  send(overtaking, 1, 1, 7);
  for (let frame = 21; frame <= 60; frame++) send(overtaking, 1, 2, frame);
  expect(overtaking.faults).toEqual([]);
});

test("an alarm that waits behind a backlog is reported once, and a new session counts anew", () => {
  const overtaking = watched();
  for (let frame = 1; frame <= 15; frame++) send(overtaking, 1, 2, frame);
  for (let frame = 1; frame <= 20; frame++) send(overtaking, 2, 2, frame);
  expect(overtaking.faults).toEqual([]);
  for (let frame = 21; frame <= 60; frame++) send(overtaking, 2, 2, frame);
  expect(overtaking.faults).toEqual([expect.stringContaining("[O8] device-1")]);
});
