import { expect, test } from "vitest";
import { createChildGate } from "#agent/link/child-gate.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const child = { name: "device-1", uuid: "uuid-1" };
const gateWith = (state: "online" | "lost", log = silentLogger()) =>
  createChildGate({ child: (name) => (name === child.name ? ({ ...child, state } as never) : undefined) }, log);

test("while a node is connected its own connections come in, and no others under its name", () => {
  const log = silentLogger();
  const gate = gateWith("online", log);
  expect(gate("device-1", "uuid-1", true)).toBe(true);
  expect(gate("device-1!b", "uuid-1", true)).toBe(true);
  expect(gate("device-2", "uuid-2", true)).toBe(true);
  const refusal = {
    refused: "not-authorized",
    reason: 'the node "device-1" is connected already, and this is another one',
  };
  expect(gate("device-1!b", "uuid-2", true)).toEqual(refusal);
  expect(gate("device-1", undefined, true)).toEqual(refusal);
  expect(log.lines).toHaveLength(2);
});

test("whoever knows the node's uuid without being it does not push it out", () => {
  expect(gateWith("online")("device-1", "uuid-1", false)).toMatchObject({ refused: "not-authorized" });
});

test("a node that is away can come back as another one", () => {
  expect(gateWith("lost")("device-1", "uuid-2", true)).toBe(true);
});
