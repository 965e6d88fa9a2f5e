import fc from "fast-check";
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import {
  newStartGate,
  startParts,
  stepStartGate,
  type StartEffect,
  type StartEvent,
  type StartPart,
} from "#shared/fellows/start-gate.ts";

/** A gate with a trace of all that happens, in order. */
class Scene {
  #gate;
  nowMs = 0;
  readonly trace: string[] = [];

  constructor() {
    const [gate, effects] = newStartGate(0);
    this.#gate = gate;
    this.#keep(effects);
  }

  get waitsFor(): StartPart | undefined {
    return this.#gate.waitsFor;
  }

  step(event: StartEvent): void {
    const [gate, effects] = stepStartGate(this.#gate, event, this.nowMs);
    this.#gate = gate;
    if (event.type !== "tick") this.trace.push(`${event.part} ${event.type}`);
    this.#keep(effects);
  }

  #keep(effects: readonly StartEffect[]): void {
    for (const effect of effects) {
      if (effect.type === "begin") this.trace.push(`begin ${effect.part}`);
      else if (effect.type === "open") this.trace.push("open");
      else this.trace.push(`delay ${effect.part} ${effect.waitedMs} ${effect.reason ?? ""}`.trim());
    }
  }
}

test("[U24] parts begin one after the other, in the order of the document", () => {
  const scene = new Scene();
  for (const part of startParts) scene.step({ type: "ready", part });
  expect(scene.trace).toEqual([...startParts.flatMap((part) => [`begin ${part}`, `${part} ready`]), "open"]);
});

test("[U24] while a part is missing the delay is logged about once a minute, with what it says", () => {
  const scene = new Scene();
  scene.step({ type: "ready", part: "config" });
  scene.step({ type: "ready", part: "keys" });
  scene.step({ type: "failed", part: "coordinator", reason: "refused" });
  for (; scene.nowMs < 4 * limits.startDelayLogMs; scene.nowMs += 1_000) scene.step({ type: "tick" });
  expect(scene.trace.filter((line) => line.startsWith("delay"))).toEqual([
    "delay coordinator 60000 refused",
    "delay coordinator 120000 refused",
    "delay coordinator 180000 refused",
  ]);
  expect(scene.trace).not.toContain("begin store");
});

test("[U24] an open gate says no more", () => {
  const scene = new Scene();
  for (const part of startParts) scene.step({ type: "ready", part });
  const { length } = scene.trace;
  scene.step({ type: "lost", part: "store", reason: "gone" });
  scene.nowMs = 10 * limits.startDelayLogMs;
  scene.step({ type: "tick" });
  expect(scene.trace.slice(length)).toEqual(["store lost"]);
});

test("[U24] [U29] whatever the parts do: nothing begins while one before it is not ready, and nothing twice", () => {
  const part = fc.constantFrom(...startParts);
  const event: fc.Arbitrary<StartEvent> = fc.oneof(
    { weight: 5, arbitrary: fc.record({ type: fc.constant("ready" as const), part }) },
    fc.record({ type: fc.constant("lost" as const), part, reason: fc.constant("gone") }),
    fc.record({ type: fc.constant("failed" as const), part, reason: fc.constant("no") }),
    fc.constant({ type: "tick" } as const),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const scene = new Scene();
      for (const one of events) {
        scene.nowMs += 7_000;
        scene.step(one);
      }
      expect(brokenOrder(scene.trace)).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test("[U24] a part that is lost during the start is waited for again", () => {
  const scene = new Scene();
  for (const part of ["config", "keys", "coordinator"] as const) scene.step({ type: "ready", part });
  scene.step({ type: "lost", part: "coordinator", reason: "session expired" });
  scene.step({ type: "ready", part: "store" });
  expect(scene.waitsFor).toBe("coordinator");
  scene.step({ type: "ready", part: "coordinator" });
  expect(scene.trace.slice(-2)).toEqual(["coordinator ready", "begin mqtt"]);
});

/** What a trace says against the order of the start, read without knowing the gate. */
function brokenOrder(trace: readonly string[]): readonly string[] {
  const ready = new Set<string>();
  const begun = new Set<string>();
  return trace.flatMap((line) => {
    const [first = "", second = ""] = line.split(" ");
    if (second === "ready" && begun.has(first)) ready.add(first);
    if (second === "lost") ready.delete(first);
    if (line === "open") return startParts.every((part) => ready.has(part)) ? [] : ["open too early"];
    if (first !== "begin") return [];
    const before: readonly string[] = startParts.slice(
      0,
      startParts.findIndex((part) => part === second),
    );
    const isTwice = begun.has(second);
    begun.add(second);
    return isTwice || before.some((part) => !ready.has(part)) ? [line] : [];
  });
}
