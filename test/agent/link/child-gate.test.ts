import { expect, test } from "vitest";
import { createChildGate } from "#agent/link/child-gate.ts";
import { limits } from "#shared/limits.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const child = { name: "device-1", uuid: "uuid-1", epoch: 5 };

function bench(state: "online" | "lost") {
  const log = silentLogger();
  const clock = new FakeClock();
  const alarms: string[] = [];
  let heardMonotonicMs = 0;
  const tree = {
    child: (name: string) => (name === child.name ? ({ ...child, state, heardMonotonicMs } as never) : undefined),
    setAlarm: (name: string, reason: string) => void alarms.push(`${name}: ${reason}`),
  };
  const heard = (): void => void (heardMonotonicMs = clock.monotonic());
  return { gate: createChildGate({ tree, clock, log }), log, clock, alarms, heard };
}

test("while a node is connected its own connections come in, and no others under its name", () => {
  const { gate, log, alarms } = bench("online");
  expect(gate("device-1", "uuid-1:5", true)).toBe(true);
  expect(gate("device-1!b", "uuid-1:5", true)).toBe(true);
  expect(gate("device-2", "uuid-2:5", true)).toBe(true);
  expect(alarms).toEqual([]);
  const refusal = {
    refused: "not-authorized",
    reason: 'the node "device-1" is connected already, and this is another one',
  };
  expect(gate("device-1!b", "uuid-2:5", true)).toEqual(refusal);
  expect(gate("device-1", undefined, true)).toEqual(refusal);
  expect(log.lines).toHaveLength(2);
  expect(alarms).toEqual([
    "device-1: another node of this name is kept out (uuid-2:5): give it a name of its own",
    "device-1: another node of this name is kept out (without a user name): give it a name of its own",
  ]);
});

test("whoever knows the node's uuid without being it does not push it out", () => {
  expect(bench("online").gate("device-1", "uuid-1:5", false)).toMatchObject({ refused: "not-authorized" });
});

test("a node that is away can come back as another one", () => {
  expect(bench("lost").gate("device-1", "uuid-2:7", true)).toBe(true);
});

test("the same node under another epoch waits for its old session to fall silent, without an alarm", async () => {
  const { gate, clock, alarms } = bench("online");
  for (let waitedMs = 0; waitedMs < limits.linkSilenceMs; waitedMs += 1_000) {
    expect(gate("device-1", "uuid-1:6", true)).toMatchObject({ refused: "busy" });
    await clock.advance(1_000);
  }
  expect(alarms).toEqual([]);
});

test("when the old session goes on talking meanwhile there are two: the first stays, and both are told", async () => {
  const { gate, clock, alarms, heard } = bench("online");
  expect(gate("device-1", "uuid-1:6", true)).toMatchObject({ refused: "busy" });
  await clock.advance(limits.linkSilenceMs - 1);
  heard();
  expect(gate("device-1", "uuid-1:6", true)).toMatchObject({ refused: "busy" });
  await clock.advance(1);
  heard();
  expect(gate("device-1", "uuid-1:6", true)).toMatchObject({ refused: "not-authorized" });
  expect(alarms).toHaveLength(1);
  expect(gate("device-1", "uuid-1:5", true)).toBe(true);
});
