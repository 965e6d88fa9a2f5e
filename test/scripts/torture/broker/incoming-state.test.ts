import { expect, test } from "vitest";
import { FaultLog } from "../../../../scripts/torture/broker/fault-log.ts";
import { IncomingState } from "../../../../scripts/torture/broker/incoming-state.ts";

function started(): { readonly state: IncomingState; readonly faults: FaultLog } {
  const faults = new FaultLog();
  return { state: new IncomingState("s", faults), faults };
}

test("a message that comes again under its packet identifier, with DUP, is right", () => {
  const { state, faults } = started();
  expect(state.take({ packetId: 1, key: "a", qos: 1, dup: false })).toBe(true);
  expect(state.take({ packetId: 1, key: "a", qos: 1, dup: true })).toBe(true);
  expect(state.take({ packetId: 2, key: "b", qos: 2, dup: false })).toBe(true);
  expect(state.take({ packetId: 2, key: "b", qos: 2, dup: true })).toBe(false);
  expect(state.release(2)).toBe(true);
  expect(state.release(2)).toBe(false);
  expect(faults.sentences()).toEqual([]);
});

test("DUP that is missing, and DUP on another message, are named", () => {
  const { state, faults } = started();
  state.take({ packetId: 1, key: "a", qos: 1, dup: false });
  state.acknowledged(1);
  state.take({ packetId: 1, key: "a", qos: 1, dup: false });
  state.acknowledged(1);
  state.take({ packetId: 1, key: "b", qos: 1, dup: true });
  expect(faults.sentences()).toEqual([
    "1 × redelivered without DUP [MQTT-3.3.1-1]: s: a as 1 at QoS 1",
    "1 × DUP on another message than before: s: b as 1 at QoS 1, which was a",
  ]);
});

test("a packet identifier in use is not given again, at QoS 2 before PUBREL", () => {
  const { state, faults } = started();
  state.take({ packetId: 1, key: "a", qos: 1, dup: false });
  state.take({ packetId: 1, key: "b", qos: 1, dup: false });
  state.take({ packetId: 2, key: "c", qos: 2, dup: false });
  state.release(2);
  state.take({ packetId: 2, key: "d", qos: 2, dup: false });
  state.release(3);
  expect(faults.sentences()).toEqual([
    "1 × a packet identifier given twice [MQTT-2.2.1-4]: s: b as 1 at QoS 1, in use for a",
    "1 × PUBREL for what never came: s 3",
  ]);
});
