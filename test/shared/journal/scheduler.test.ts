import fc from "fast-check";
import { expect, test } from "vitest";
import {
  charged,
  frameBytesMin,
  freshScheduler,
  nextTurn,
  withoutDemand,
  type Demand,
  type SchedulerState,
} from "#shared/journal/scheduler.ts";
import { laneOf, type Priority } from "#shared/journal/stream.ts";

const frame = 256 * 1024;
const always: Demand["waiting"] = [true, true, true, true];
const nothing: Demand["inFlight"] = [0, 0, 0, 0];

function demand(change: Partial<Demand> = {}): Demand {
  return {
    creditBytes: 10 * frame,
    urgentCreditBytes: 0,
    inFlight: nothing,
    waiting: always,
    frameBytes: { control: frame, bulk: frame },
    ...change,
  };
}

/** Sends one frame after the other, each answered before the next; `sizeOf`: what is found of the bytes asked for. */
function bytesSent(
  frames: number,
  waiting: Demand["waiting"],
  sizeOf: (asked: number, round: number) => number,
): number[] {
  const sent = [0, 0, 0, 0];
  let state: SchedulerState = freshScheduler;
  for (let round = 0; round < frames; round++) {
    const [next, turn] = nextTurn(state, demand({ waiting }));
    const choice = turn?.choices[0];
    if (choice === undefined) throw new Error("something waits and there is room");
    const bytes = sizeOf(choice.bytes, round);
    sent[choice.priority] = (sent[choice.priority] ?? 0) + bytes;
    state = charged(next, choice.priority, bytes);
  }
  return sent;
}

test("P1, P2 and P3 share the link 8 : 4 : 1, whatever the sizes of their frames", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 4_000, max: 500_000 }), { minLength: 1, maxLength: 20 }), (sizes) => {
      const [, p1 = 0, p2 = 0, p3 = 0] = bytesSent(6_000, [false, true, true, true], (_asked, round) => {
        return sizes[round % sizes.length] ?? 1;
      });
      // Behind by no more than one turn and one frame each, at any time.
      const slack = 2 * (500_000 + 8 * 32 * 1024);
      expect(Math.abs(p1 - 8 * p3)).toBeLessThan(8 * slack);
      expect(Math.abs(p1 - 2 * p2)).toBeLessThan(4 * slack);
      expect(p3).toBeGreaterThan(0);
    }),
    { numRuns: 30 },
  );
});

test("P0 is asked for before everything else", () => {
  expect(nextTurn(freshScheduler, demand())[1]?.choices[0]).toEqual({ priority: 0, bytes: frame });
});

test("P0 has at most half of the credit, and the rest goes on", () => {
  const inFlight: Demand["inFlight"] = [5 * frame, 0, 0, 0];
  const [, turn] = nextTurn(freshScheduler, demand({ inFlight }));
  expect(turn?.choices[0]?.priority).toBeGreaterThan(0);
});

test("[O8] the first alarm needs no room in a credit that others fill", () => {
  const inFlight: Demand["inFlight"] = [0, 0, 10 * frame, 0];
  expect(nextTurn(freshScheduler, demand({ inFlight }))[1]?.choices).toEqual([{ priority: 0, bytes: frame }]);
});

test("without credit nothing goes, or P0 alone within what is left for it", () => {
  expect(nextTurn(freshScheduler, demand({ creditBytes: 0 }))[1]).toBeUndefined();
  const urgent = demand({ creditBytes: 0, urgentCreditBytes: 10_000 });
  expect(nextTurn(freshScheduler, urgent)[1]).toEqual({ lane: "control", choices: [{ priority: 0, bytes: 10_000 }] });
  expect(nextTurn(freshScheduler, { ...urgent, inFlight: [9_500, 0, 0, 0] })[1]).toBeUndefined();
});

test("what a priority does not use is not saved up", () => {
  const idle = withoutDemand({ turn: 3, deficits: { 1: 100_000, 2: -5, 3: 0 } }, 1);
  expect(withoutDemand(idle, 2)).toEqual({ turn: 3, deficits: { 1: 0, 2: -5, 3: 0 } });
});

const bytes = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3 * frame }));
const frameRoom = fc.oneof(fc.constant(0), fc.integer({ min: frameBytesMin, max: frame }));
const deficit = fc.integer({ min: -600_000, max: 300_000 });

test("whatever waits and flies: room is used when something waits, and only then, within credit and window", () => {
  fc.assert(
    fc.property(
      fc.record({
        creditBytes: bytes,
        urgentCreditBytes: bytes,
        inFlight: fc.tuple(bytes, bytes, bytes, bytes),
        waiting: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()),
        frameBytes: fc.record({ control: frameRoom, bulk: frameRoom }),
      }),
      fc.record({
        turn: fc.constantFrom(1 as const, 2 as const, 3 as const),
        deficits: fc.record({ 1: deficit, 2: deficit, 3: deficit }),
      }),
      (asked, state) => {
        const [, turn] = nextTurn(state, asked);
        const total = asked.inFlight.reduce((sum, each) => sum + each, 0);
        const room = asked.creditBytes - total;
        const isSharedRoom = asked.creditBytes > 0 && (total === 0 || room >= frameBytesMin);
        const couldGo = ([1, 2, 3] as const).some(
          (priority) => asked.waiting[priority] && asked.frameBytes[laneOf(priority)] > 0 && isSharedRoom,
        );
        if (couldGo) expect(turn).toBeDefined();
        for (const { priority, bytes: size } of turn?.choices ?? []) {
          expect(asked.waiting[priority]).toBe(true);
          expect(laneOf(priority)).toBe(turn?.lane);
          expect(size).toBeGreaterThan(0);
          expect(size).toBeLessThanOrEqual(asked.frameBytes[laneOf(priority)]);
          if (priority > 0 && total > 0) expect(size).toBeLessThanOrEqual(room);
          if (priority > 0) expect(asked.creditBytes).toBeGreaterThan(0);
          const half = asked.creditBytes > 0 ? asked.creditBytes / 2 : asked.urgentCreditBytes;
          if (priority === 0 && asked.inFlight[0] > 0) expect(asked.inFlight[0] + size).toBeLessThanOrEqual(half);
        }
      },
    ),
  );
});

test("nobody starves: each that waits has its turn within one round of the others'", () => {
  const waits = fc.subarray<Priority>([1, 2, 3], { minLength: 1 });
  fc.assert(
    fc.property(waits, fc.integer({ min: 4_000, max: frame }), (priorities, size) => {
      const has = (priority: Priority): boolean => priorities.includes(priority);
      const waiting: Demand["waiting"] = [false, has(1), has(2), has(3)];
      const round = 13 * 32 * 1024 + 3 * frame;
      const sent = bytesSent(Math.ceil(round / size), waiting, () => size);
      for (const priority of priorities) expect(sent[priority]).toBeGreaterThan(0);
    }),
  );
});
