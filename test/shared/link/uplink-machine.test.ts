import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNodeName } from "#shared/ids.ts";
import type { Ack } from "#shared/link/frames.ts";
import type { Welcome } from "#shared/link/hello.ts";
import {
  initialUplink,
  stepUplink,
  type RunningUplink,
  type UplinkEffect,
  type UplinkEvent,
  type UplinkState,
} from "#shared/link/uplink-machine.ts";
import type { Priority } from "#shared/journal/stream.ts";
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
  /** The last read that was asked for. */
  readonly asked: Partial<Record<"control" | "bulk", UplinkEffect & { type: "read" }>> = {};

  step(event: UplinkEvent, jitter = 0): readonly string[] {
    [this.state, this.effects] = stepUplink(this.state, event, this.nowMs, jitter);
    for (const effect of this.effects) if (effect.type === "read") this.asked[effect.lane] = effect;
    return this.effects.map((effect) => ("lane" in effect ? `${effect.type} ${effect.lane}` : effect.type));
  }

  wait(ms: number): readonly string[] {
    this.nowMs += ms;
    return this.step({ type: "tick" });
  }

  /** Up to a running session with both lanes open. */
  run(answer: Welcome = welcome): this {
    this.wait(0);
    this.step({ type: "opened" });
    this.step({ type: "welcome", welcome: answer });
    this.read("control", null);
    this.step({ type: "lane-opened" });
    return this;
  }

  running(): RunningUplink {
    if (this.state.at !== "running") throw new Error("the link is not up");
    return this.state;
  }

  /** Answers the read of that lane which is under way: `bytes` of the first priority that it asked for, or nothing. */
  read(lane: "control" | "bulk", bytes: number | null): readonly string[] {
    const asked = this.asked[lane];
    if (asked === undefined) throw new Error(`no read of ${lane} is under way`);
    const priorities = asked.choices.map(({ priority }) => priority);
    const [priority] = priorities;
    const found = bytes === null || priority === undefined ? null : { priority, bytes };
    return this.step({
      type: "read",
      lane,
      generation: asked.generation,
      found,
      dry: found === null ? priorities : [],
    });
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

test("[X15] a long hello on a slow link has the time to get through; a short one is answered soon, or never", () => {
  const world = new World();
  world.wait(0);
  world.step({ type: "opened" });
  world.nowMs += 4_000; // the store was slow
  expect(world.step({ type: "greeted", bytes: 10 * limits.helloBytesPerSecond })).toEqual([]);
  expect(world.wait(limits.helloTimeoutMs + 9_999)).toEqual([]);
  expect(world.wait(1)).toEqual(["close", "report"]);
  const short = new World();
  short.wait(0);
  short.step({ type: "opened" });
  short.step({ type: "greeted", bytes: 0 });
  expect(short.wait(limits.helloTimeoutMs)).toEqual(["close", "report"]);
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

test("an acknowledgement lets the store forget, and the lane goes on without what it has handed out", () => {
  const world = new World().run();
  const { generation } = world.running();
  expect(world.read("bulk", 1000)).toEqual(["send bulk", "read bulk"]);
  world.read("bulk", null);
  expect(world.ack(1)).toEqual(["forget bulk"]);
  expect(world.step({ type: "stored" })).toEqual(["read control", "read bulk"]);
  expect(world.effects.at(-1)).toMatchObject({ generation });
});

test("an acknowledgement that makes room is followed by the next frame at once", () => {
  const world = new World().run();
  for (let frame = 1; frame <= limits.framesInFlight; frame++) world.read("bulk", 100);
  expect(world.running().bulk.reading).toBeUndefined();
  expect(world.ack(1)).toEqual(["forget bulk", "read bulk"]);
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
  expect(world.ack(1, { creditBytes: 10_000 })).toEqual(["forget bulk", "read bulk"]);
  const many = new World().run();
  for (let frame = 1; frame < limits.framesInFlight; frame++)
    expect(many.read("bulk", 100)).toEqual(["send bulk", "read bulk"]);
  expect(many.read("bulk", 100)).toEqual(["send bulk"]);
});

test("no credit, no frame, until a heartbeat brings some", () => {
  const world = new World().run();
  world.read("bulk", 100);
  world.read("bulk", null);
  world.ack(1, { creditBytes: 0 });
  expect(world.step({ type: "stored" })).toEqual([]);
  expect(
    world.step({
      type: "beat",
      beat: { nowMs: 0, streams: [], creditBytes: 70_000, path: undefined, descendants: undefined },
    }),
  ).toEqual(["read control", "read bulk"]);
});

test("a parent with little room left takes P0 and nothing else", () => {
  const world = new World().run();
  world.read("bulk", null);
  const beat = { nowMs: 0, streams: [], creditBytes: 0, path: undefined, descendants: undefined };
  world.step({ type: "beat", beat: { ...beat, urgentCreditBytes: 50_000 } });
  expect(world.step({ type: "stored" })).toEqual(["read control"]);
  expect(world.asked.control?.choices.map(({ priority }) => priority)).toEqual([0]);
  world.read("control", null);
  expect(world.step({ type: "beat", beat })).toEqual([]);
  expect(world.step({ type: "stored" })).toEqual([]);
});

test("both connections share one credit", () => {
  const world = new World().run();
  world.step({
    type: "ack",
    ack: { session: 7, lane: "bulk", frameNumber: 9, creditBytes: 20_000, acked: [], naks: [] },
  });
  world.read("bulk", 19_500);
  expect(world.step({ type: "stored" })).toEqual(["read control"]);
  // An alarm needs no room; anything else would.
  expect(world.asked.control?.choices.map(({ priority }) => priority)).toEqual([0]);
});

test("the watchdog sends again from the oldest, and gives up a link without progress", () => {
  const world = new World().run();
  world.read("bulk", 1000);
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
    world.read("bulk", 1000);
  }
  expect(seen.filter((effect) => effect === "stalled bulk")).toHaveLength(limits.rtoExpiriesMax);
  expect(world.state).toMatchObject({ at: "down", reason: "connected, but without progress" });
});

test("a frame that the next answer overtook is lost: reading starts at the oldest again", () => {
  const world = new World().run();
  world.read("bulk", 100);
  world.read("bulk", 100);
  world.read("bulk", null);
  const { generation } = world.running();
  expect(world.ack(2)).toEqual(["forget bulk", "read bulk"]);
  expect(world.effects.at(-1)).toMatchObject({ generation: generation + 1 });
});

test("a read that was under way when the lane was rewound is read again from the start", () => {
  const world = new World().run();
  world.read("bulk", 100);
  world.read("bulk", 100);
  const { generation, bulk } = world.running();
  expect(bulk.reading).toMatchObject({ generation });
  world.ack(2);
  expect(world.read("bulk", 100)).toEqual(["read bulk"]);
  expect(world.effects.at(-1)).toMatchObject({ generation: generation + 1 });
});

test("[O9] a segment that the parent does not take holds up nothing else", () => {
  const world = new World().run();
  world.read("bulk", 100);
  world.read("bulk", 100);
  const nak = { origin: "device-1", epoch: 1, streamId: 1, first: 1, code: "corrupt" as const };
  expect(world.ack(1, { naks: [nak] })).toEqual(["forget bulk", "refused"]);
  expect(world.read("bulk", 100)).toEqual(["send bulk", "read bulk"]);
});

test("bodies are deflated when the link is slow and the parent can inflate them", () => {
  const deflates = (capabilities: number, stepMs: number, isFull = true): boolean | undefined => {
    const world = new World().run({ ...welcome, capabilities });
    for (let frame = 1; frame <= 14; frame++) {
      world.read("bulk", 10_000);
      world.nowMs += stepMs;
      if (frame > 1 || !isFull) world.ack(isFull ? frame - 1 : frame);
    }
    return world.asked.bulk?.deflate;
  };
  expect([deflates(1, 100), deflates(0, 100), deflates(1, 1)]).toEqual([true, false, false]);
  // One frame at a time tells how long its answer took, not what the link carries.
  expect(deflates(1, 100, false)).toBe(false);
});

test("without room at the parent the lane waits before it sends again", () => {
  const world = new World().run();
  world.read("bulk", 100);
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
  world.read("bulk", 100);
  const before = world.state;
  expect(world.ack(1, { session: 6 })).toEqual([]);
  const found = { priority: 2, bytes: 5 } as const;
  const { generation } = world.running();
  expect(world.step({ type: "read", lane: "bulk", generation: generation - 1, found, dry: [] })).toEqual([]);
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
      generation: fc.nat({ max: 12 }),
      found: fc.option(
        fc.record({ bytes: fc.integer({ min: 64, max: 300_000 }), priority: fc.constantFrom<Priority>(0, 1, 2, 3) }),
      ),
      dry: fc.subarray<Priority>([0, 1, 2, 3]),
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
        // None is given twice, also not in another session.
        expect(world.state.generation).toBeGreaterThanOrEqual(before.generation);
        expect(world.state.bulk.frames.length).toBeLessThanOrEqual(limits.framesInFlight);
        expect(world.state.bulk.inFlightBytes).toBe(world.state.bulk.frames.reduce((sum, { bytes }) => sum + bytes, 0));
      }
    }),
  );
});
