import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNodeName } from "#shared/ids.ts";
import type { Destination } from "#shared/level/destinations.ts";
import {
  newLevelCall,
  nextTickMs,
  stepLevelCall,
  type LevelCall,
  type LevelCallEffect,
  type LevelCallEvent,
  type LevelMode,
} from "#shared/level/level-call.ts";
import type { LevelOutcome } from "#shared/level/outcome.ts";

const ok: LevelOutcome = { status: "ok", value: 1 };
const failed: LevelOutcome = { status: "failed", reason: "no power" };
const lost: LevelOutcome = { status: "unreachable", reason: "fog-1 has no link to its parent" };
const timeoutMs = 5_000;

const here: Destination = { level: "device", node: parseNodeName("device-1"), reach: "here" };
const fog: Destination = { level: "fog", node: parseNodeName("fog-1"), reach: "above" };
const cloud: Destination = { level: "cloud", node: parseNodeName("cloud-1"), reach: "above" };
const nowhere: Destination = { level: "fog", node: undefined, reach: { unreachable: "there is none" } };

/** A call with a clock; keeps every effect with its time. */
class World {
  call: LevelCall;
  nowMs = 0;
  ticks = 0;
  readonly seen: { readonly atMs: number; readonly effect: LevelCallEffect }[] = [];

  constructor(mode: LevelMode, destinations: readonly Destination[] = [here, fog, cloud]) {
    this.call = newLevelCall(mode, timeoutMs, destinations);
    this.step({ type: "begin" });
  }

  step(event: LevelCallEvent): readonly string[] {
    const [call, effects] = stepLevelCall(this.call, event, this.nowMs);
    this.call = call;
    for (const effect of effects) this.seen.push({ atMs: this.nowMs, effect });
    return effects.map(textOf);
  }

  answer(node: string, outcome: LevelOutcome, attempt = 1): readonly string[] {
    return this.step({ type: "outcome", node, attempt, outcome });
  }

  /** Ticks when one is due, and answers what came of it. */
  wait(ms: number): readonly string[] {
    const untilMs = this.nowMs + ms;
    const texts: string[] = [];
    while (nextTickMs(this.call) <= untilMs && !this.call.isFinished) {
      if (++this.ticks > 1_000) throw new Error("a tick changes nothing");
      this.nowMs = Math.max(this.nowMs, nextTickMs(this.call));
      texts.push(...this.step({ type: "tick" }));
    }
    this.nowMs = untilMs;
    return texts;
  }

  texts(): readonly string[] {
    return this.seen.map(({ effect }) => textOf(effect));
  }
}

function textOf(effect: LevelCallEffect): string {
  if (effect.type === "finish") return `finish ${effect.ok}`;
  const { node = "nobody" } = effect.leg.destination;
  if (effect.type === "ask") return `ask ${node} ${effect.attempt}`;
  return effect.type === "report" ? `report ${node} ${effect.outcome.status}` : `run ${node}`;
}

test("[J11] concurrent: all are asked at once, the last outcome finishes it", () => {
  const world = new World("concurrent", [here, fog, nowhere]);
  expect(world.texts()).toEqual(["run device-1", "ask fog-1 1", "report nobody unreachable"]);
  expect(world.answer("fog-1", ok)).toEqual(["report fog-1 ok"]);
  expect(world.answer("device-1", ok)).toEqual(["report device-1 ok", "finish false"]);
});

test("[J12] sequential: one after the other, over with the first success", () => {
  const world = new World("sequential", [nowhere, here, fog, cloud]);
  expect(world.texts()).toEqual(["report nobody unreachable", "run device-1"]);
  expect(world.answer("device-1", failed)).toEqual(["report device-1 failed", "ask fog-1 1"]);
  expect(world.answer("cloud-1", ok)).toEqual([]);
  expect(world.answer("fog-1", ok)).toEqual(["report fog-1 ok", "finish true"]);
  expect(world.answer("cloud-1", ok)).toEqual([]);
});

test("[J12] sequential: each is given its whole time before the next one's turn", () => {
  const world = new World("sequential", [fog, cloud]);
  expect(world.wait(timeoutMs - 1)).toEqual(["ask fog-1 2", "ask fog-1 3"]);
  expect(world.wait(1)).toEqual(["report fog-1 timeout", "ask cloud-1 1"]);
  expect(world.answer("fog-1", ok)).toEqual([]);
  expect(world.wait(timeoutMs)).toContain("finish false");
});

test("a request is sent again after longer and longer waits, and at each new session", () => {
  const world = new World("concurrent", [fog]);
  expect(world.step({ type: "linked" })).toEqual(["ask fog-1 2"]);
  expect(world.wait(1_999)).toEqual([]);
  expect(world.wait(1)).toEqual(["ask fog-1 3"]);
  expect(world.answer("fog-1", ok, 1)).toEqual(["report fog-1 ok", "finish true"]);
});

test("that a repetition could not be passed on says nothing about the first sending", () => {
  const first = new World("concurrent", [fog]);
  expect(first.answer("fog-1", lost, 1)).toEqual(["report fog-1 unreachable", "finish false"]);
  const second = new World("concurrent", [fog]);
  second.step({ type: "linked" });
  expect(second.answer("fog-1", lost, 2)).toEqual([]);
});

test("a node that stops ends what is under way and begins nothing", () => {
  const world = new World("sequential");
  expect(world.step({ type: "stop", outcome: failed })).toEqual(["report device-1 failed", "finish false"]);
});

const outcomes = fc.constantFrom(ok, failed, lost, { status: "refused", reason: "nobody" } as const);
const events = fc.array(
  fc.oneof(
    fc.record({
      type: fc.constant("outcome" as const),
      node: fc.constantFrom("device-1", "fog-1", "cloud-1", "stranger"),
      attempt: fc.integer({ min: 1, max: 3 }),
      outcome: outcomes,
    }),
    fc.constant({ type: "linked" as const }),
    fc.record({ type: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 3_000 }) }),
  ),
  { maxLength: 30 },
);
type History = typeof events extends fc.Arbitrary<infer T> ? T : never;
const destinations = fc.shuffledSubarray([here, fog, cloud, nowhere], { minLength: 1 });

function play(mode: LevelMode, asked: readonly Destination[], history: History): World {
  const world = new World(mode, asked);
  for (const event of history) {
    if (event.type === "wait") world.wait(event.ms);
    else world.step(event);
  }
  world.wait(timeoutMs * asked.length);
  return world;
}

test("[T5] whatever comes: one outcome of a leg at most, one last word, at the latest when the time of every leg is up", () => {
  fc.assert(
    fc.property(
      fc.constantFrom<LevelMode>("concurrent", "sequential"),
      destinations,
      events,
      (mode, asked, history) => {
        const world = play(mode, asked, history);
        const reports = world.texts().filter((text) => text.startsWith("report"));
        const legs = reports.map((text) => text.split(" ")[1]);
        expect(new Set(legs).size).toBe(legs.length);
        expect(world.texts().filter((text) => text.startsWith("finish"))).toHaveLength(1);
        expect(world.texts().at(-1)).toMatch(/^finish/);
        expect(world.seen.at(-1)?.atMs).toBeLessThanOrEqual(timeoutMs * (mode === "concurrent" ? 1 : asked.length));
        const successes = reports.filter((text) => text.endsWith(" ok")).length;
        const isOk = mode === "sequential" ? successes === 1 : successes === asked.length;
        expect(world.texts().at(-1)).toBe(`finish ${isOk}`);
        if (mode === "concurrent") expect(reports).toHaveLength(asked.length);
      },
    ),
  );
});

test("[J12] sequential, whatever comes: nobody is asked while another one is, or after a success", () => {
  fc.assert(
    fc.property(destinations, events, (asked, history) => {
      let underWay: string | undefined;
      for (const text of play("sequential", asked, history).texts()) {
        const [what, node = "", status] = text.split(" ");
        if (what === "run" || (what === "ask" && underWay !== node)) {
          expect(underWay).toBeUndefined();
          underWay = node;
        } else if (what === "report") underWay = status === "ok" ? "success" : undefined;
      }
    }),
  );
});

test("[J13] with one leg the two modes do the same, whatever comes", () => {
  fc.assert(
    fc.property(fc.constantFrom(here, fog, nowhere), events, (destination, history) => {
      const [concurrent, sequential] = (["concurrent", "sequential"] as const).map((mode) =>
        play(mode, [destination], history),
      );
      expect(sequential?.seen).toEqual(concurrent?.seen);
    }),
  );
});
