import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNodeName } from "#shared/ids.ts";
import type { Ack } from "#shared/link/frames.ts";
import type { Welcome } from "#shared/link/hello.ts";
import {
  initialUplink,
  stepUplink,
  type UplinkEffect,
  type UplinkEvent,
  type UplinkState,
} from "#shared/link/uplink-machine.ts";
import { limits } from "#shared/limits.ts";

const welcome: Welcome = {
  version: 1,
  parent: parseNodeName("fog-1"),
  parentInstance: 1,
  session: 7,
  holds: [],
  creditBytes: 1_000_000,
  nowMs: 0,
  path: [],
};
const acked = [{ origin: "device-1", epoch: 1, streamId: 1, ranges: [[1, 10] as const] }];

/** A machine with a clock; keeps the effects of the last event. */
class World {
  state: UplinkState = initialUplink(0);
  nowMs = 0;
  effects: readonly UplinkEffect[] = [];

  step(event: UplinkEvent, jitter = 0): readonly string[] {
    [this.state, this.effects] = stepUplink(this.state, event, this.nowMs, jitter);
    return this.effects.map((effect) => ("lane" in effect ? `${effect.type} ${effect.lane}` : effect.type));
  }

  wait(ms: number): readonly string[] {
    this.nowMs += ms;
    return this.step({ type: "tick" });
  }

  /** Up to a running session with both lanes open. */
  run(): this {
    this.wait(0);
    this.step({ type: "opened" });
    this.step({ type: "welcome", welcome });
    this.read("control", null);
    this.step({ type: "lane-opened" });
    return this;
  }

  read(lane: "control" | "bulk", bytes: number | null, id = 1): readonly string[] {
    const found = bytes === null ? null : { bytes, cursors: { 2: id } };
    return this.step({ type: "read", lane, session: 7, found });
  }

  ack(frameNumber: number, change: Partial<Ack> = {}): readonly string[] {
    return this.step({
      type: "ack",
      ack: { session: 7, lane: "bulk", frameNumber, creditBytes: 1_000_000, acked, naks: [], ...change },
    });
  }
}

test("a child dials, says hello, and with the welcome opens its bulk lane and looks for data", () => {
  const world = new World();
  expect(world.wait(0)).toEqual(["dial"]);
  expect(world.step({ type: "opened" })).toEqual(["hello"]);
  expect(world.step({ type: "welcome", welcome })).toEqual(["report", "open-lane", "read control"]);
  expect(world.read("control", null)).toEqual([]);
  expect(world.step({ type: "lane-opened" })).toEqual(["read bulk"]);
  expect(world.state).toMatchObject({ at: "running", parent: "fog-1", session: 7 });
});

test("a peer that accepts and drops at once meets a growing back-off; after a stable session it starts over", () => {
  const world = new World();
  const waitsMs: number[] = [];
  for (let round = 0; round < 4; round++) {
    world.run();
    world.step({ type: "closed", reason: "dropped" }, 0.9);
    if (world.state.at !== "down") throw new Error("unreachable");
    waitsMs.push(world.state.waitMs);
    world.nowMs = world.state.retryAtMs;
  }
  expect(
    waitsMs.every(
      (waitMs, index) => index === 0 || waitMs > (waitsMs[index - 1] ?? 0) || waitMs === limits.backoffMsMaxEarly,
    ),
  ).toBe(true);
  expect(waitsMs.at(-1)).toBe(limits.backoffMsMaxEarly);
  world.run();
  for (let ms = 0; ms < limits.linkStableMs; ms += 1000) {
    world.wait(1000);
    world.step({
      type: "beat",
      beat: { nowMs: 0, streams: [], creditBytes: undefined, path: undefined, descendants: undefined },
    });
  }
  world.step({ type: "closed", reason: "gone" }, 0.9);
  expect(world.state).toMatchObject({ at: "down", waitMs: waitsMs[0] });
});

test("no answer to the connection or to the hello ends the attempt", () => {
  const world = new World();
  world.wait(0);
  expect(world.wait(limits.connectTimeoutMs)).toEqual(["close", "report"]);
  world.wait(limits.backoffMsMaxEarly);
  world.step({ type: "opened" });
  expect(world.wait(limits.helloTimeoutMs)).toEqual(["close", "report"]);
});

test("a half-open link is given up after the silence bound, and heartbeats keep a quiet one", () => {
  const world = new World().run();
  world.read("bulk", null);
  for (let beats = 0; beats < 5; beats++) {
    expect(world.wait(limits.heartbeatMs)).toContain("beat");
    world.read("control", null);
    world.read("bulk", null);
    world.step({
      type: "beat",
      beat: { nowMs: 0, streams: [], creditBytes: 5, path: undefined, descendants: undefined },
    });
  }
  expect(world.state.at).toBe("running");
  expect(world.wait(limits.linkSilenceMs)).toEqual(["close", "report"]);
  expect(world.state).toMatchObject({ at: "down", reason: "the parent has fallen silent" });
});

test("an acknowledgement lets the store forget, and the lane goes on from its cursors", () => {
  const world = new World().run();
  expect(world.read("bulk", 1000, 5)).toEqual(["send bulk", "read bulk"]);
  world.read("bulk", null);
  expect(world.ack(1)).toEqual(["forget"]);
  expect(world.step({ type: "stored" })).toEqual(["read control", "read bulk"]);
  expect(world.effects.at(-1)).toMatchObject({ cursors: { 2: 5 } });
});

test("what is stored while a read is under way is not overlooked", () => {
  const world = new World().run();
  world.step({ type: "stored" });
  expect(world.read("bulk", null)).toEqual(["read bulk"]);
  expect(world.read("bulk", null)).toEqual([]);
});

test("the window bounds what is in flight, and one frame may always go", () => {
  const world = new World().run();
  world.step({
    type: "beat",
    beat: { nowMs: 0, streams: [], creditBytes: 10_000, path: undefined, descendants: undefined },
  });
  expect(world.read("bulk", 300_000)).toEqual(["send bulk"]);
  expect(world.ack(1, { creditBytes: 10_000 })).toEqual(["forget", "read bulk"]);
  const many = new World().run();
  for (let frame = 1; frame < limits.framesInFlight; frame++)
    expect(many.read("bulk", 100, frame)).toEqual(["send bulk", "read bulk"]);
  expect(many.read("bulk", 100)).toEqual(["send bulk"]);
});

test("no credit, no frame, until a heartbeat brings some", () => {
  const world = new World().run();
  world.read("bulk", 100);
  world.read("bulk", null);
  world.ack(1, { creditBytes: 0 });
  expect(world.step({ type: "stored" })).toEqual(["read control"]);
  expect(
    world.step({
      type: "beat",
      beat: { nowMs: 0, streams: [], creditBytes: 70_000, path: undefined, descendants: undefined },
    }),
  ).toEqual(["read bulk"]);
});

test("the watchdog sends again from the oldest, and gives up a link without progress", () => {
  const world = new World().run();
  world.read("bulk", 1000, 5);
  world.read("bulk", null);
  const seen: string[] = [];
  for (let ms = 0; ms < 60_000 && world.state.at === "running"; ms += 500) {
    seen.push(...world.wait(500));
    // The parent is there, but takes nothing.
    world.step({
      type: "beat",
      beat: { nowMs: 0, streams: [], creditBytes: undefined, path: undefined, descendants: undefined },
    });
    world.read("control", null);
    world.read("bulk", 1000, 5);
  }
  expect(seen.filter((effect) => effect === "stalled bulk")).toHaveLength(limits.rtoExpiriesMax);
  expect(world.state).toMatchObject({ at: "down", reason: "connected, but without progress" });
});

test("a frame that the next answer overtook is lost: reading starts at the oldest again", () => {
  const world = new World().run();
  world.read("bulk", 100, 1);
  world.read("bulk", 100, 2);
  world.read("bulk", null);
  expect(world.ack(2)).toEqual(["forget", "read bulk"]);
  expect(world.effects.at(-1)).toMatchObject({ cursors: {} });
});

test("a read that was under way when the lane was rewound is read again from the start", () => {
  const world = new World().run();
  world.read("bulk", 100, 1);
  world.read("bulk", 100, 2);
  expect(world.state.at === "running" && world.state.bulk.reading).toBe(true);
  world.ack(2);
  expect(world.read("bulk", 100, 3)).toEqual(["read bulk"]);
  expect(world.effects.at(-1)).toMatchObject({ cursors: {} });
});

test("what the parent refused waits before it is sent again", () => {
  const world = new World().run();
  world.read("bulk", 100, 1);
  world.read("bulk", null);
  const nak = { origin: "device-1", epoch: 1, streamId: 1, first: 1, code: "no-room" as const };
  expect(world.ack(1, { acked: [], naks: [nak] })).toEqual([]);
  expect(world.wait(limits.rtoMsMin - 1)).not.toContain("read bulk");
  expect(world.wait(1)).toContain("read bulk");
});

test("[2.9] a backlog drains without any event but the tick", () => {
  const world = new World().run();
  world.read("bulk", null);
  expect(world.wait(200)).toEqual(["read control", "read bulk"]);
});

test("a refusal is not met with attempts every second", () => {
  const world = new World();
  world.wait(0);
  world.step({ type: "opened" });
  world.step({ type: "refused", refusal: { code: "loop", retryAfterMs: 0, text: "ring" } });
  expect(world.state).toMatchObject({ at: "down", reason: "refused by the parent: ring" });
  expect(world.wait(limits.refusedBackoffMs - 1)).toEqual([]);
  expect(world.wait(limits.refusedBackoffMs)).toEqual(["dial"]);
});

test("[O11] an acknowledgement or a read of another session changes nothing", () => {
  const world = new World().run();
  world.read("bulk", 100, 1);
  const before = world.state;
  expect(world.ack(1, { session: 6 })).toEqual([]);
  expect(world.step({ type: "read", lane: "bulk", session: 6, found: { bytes: 5, cursors: {} } })).toEqual([]);
  expect(world.state).toBe(before);
});

test("whatever happens in whatever order: in flight stays within the bounds, and only acknowledged ranges are forgotten", () => {
  const event: fc.Arbitrary<UplinkEvent> = fc.oneof(
    fc.constantFrom<UplinkEvent>(
      { type: "tick" },
      { type: "opened" },
      { type: "closed", reason: "x" },
      { type: "lane-opened" },
      { type: "lane-closed" },
      { type: "welcome", welcome },
      { type: "stored" },
    ),
    fc.record({
      type: fc.constant("read" as const),
      lane: fc.constantFrom("control" as const, "bulk" as const),
      session: fc.constantFrom(6, 7),
      found: fc.option(
        fc.record({ bytes: fc.integer({ min: 64, max: 300_000 }), cursors: fc.record({ 2: fc.nat() }) }),
      ),
    }),
    fc
      .record({
        frameNumber: fc.nat({ max: 12 }),
        session: fc.constantFrom(6, 7),
        creditBytes: fc.nat({ max: 500_000 }),
      })
      .map((change): UplinkEvent => ({ type: "ack", ack: { lane: "bulk", acked, naks: [], ...change } })),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(event, fc.nat({ max: 4000 })), { maxLength: 60 }), (events) => {
      const world = new World();
      for (const [next, ms] of events) {
        world.nowMs += ms;
        const before = world.state;
        world.step(next);
        const forgets = world.effects.filter((effect) => effect.type === "forget");
        expect(
          forgets.length === 0 ||
            (next.type === "ack" && before.at === "running" && next.ack.session === before.session),
        ).toBe(true);
        if (world.state.at !== "running") continue;
        expect(world.state.bulk.frames.length).toBeLessThanOrEqual(limits.framesInFlight);
        expect(world.state.bulk.inFlightBytes).toBe(world.state.bulk.frames.reduce((sum, { bytes }) => sum + bytes, 0));
      }
    }),
  );
});
