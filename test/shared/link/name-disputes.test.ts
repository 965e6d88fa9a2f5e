import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNodeName } from "#shared/ids.ts";
import type { Claim } from "#shared/link/name-claims.ts";
import { noDisputes, rulingsOf, stepDisputes, type Disputes } from "#shared/link/name-disputes.ts";
import { textOf } from "#shared/link/name-rulings.ts";
import { limits } from "#shared/limits.ts";

const node = parseNodeName("device-1");
const stepMs = 3_000;
const stepsBeside = Math.ceil(limits.duplicateBesideMs / stepMs);
const stepsHeld = Math.ceil(limits.duplicateNameMs / stepMs);

function claim(via: string, uuid: string, isKeptOut = false): Claim {
  return { node, parent: parseNodeName(via), via, bearer: { uuid, epochs: [1], parents: [] }, isKeptOut };
}

/** Time passes in steps of a heartbeat. */
class Scene {
  #disputes: Disputes = noDisputes;
  #nowMs = 0;

  /** That is heard for so many steps. Answers who is kept out at the end. */
  hear(claims: readonly Claim[], steps = 1): readonly string[] {
    for (let step = 0; step < steps; step++) {
      this.#disputes = stepDisputes(this.#disputes, new Map([[node, claims]]), this.#nowMs);
      this.#nowMs += stepMs;
    }
    return this.rulings()
      .filter(({ isRefused }) => isRefused)
      .map(({ parent, uuid }) => `${uuid} at ${parent}`);
  }

  rulings() {
    return rulingsOf(this.#disputes);
  }
}

test.each([
  ["of another identity", "b"],
  ["a copy", "a"],
])("a second node, %s, is kept out when both have been live for long, and both are told", (_what, uuid) => {
  const scene = new Scene();
  const both = [claim("fog-1", "a"), claim("fog-2", uuid)];
  expect(scene.hear(both, stepsBeside)).toEqual([]);
  expect(scene.hear(both)).toEqual([`${uuid} at fog-2`]);
  expect(scene.rulings()).toMatchObject([
    { parent: "fog-1", uuid: "a", isRefused: false, otherParent: "fog-2" },
    { parent: "fog-2", uuid, isRefused: true, otherParent: "fog-1" },
  ]);
  expect(scene.rulings().map(textOf)).toEqual([
    expect.stringContaining('"device-1" at "fog-1" goes on'),
    expect.stringContaining('"device-1" at "fog-2" is kept out'),
  ]);
});

test("a node that is heard at its old parent for a while after it has moved is one, however often it moves", () => {
  const scene = new Scene();
  const [first, second] = [claim("fog-1", "a"), claim("fog-2", "a")];
  for (let round = 0; round < 20; round++) {
    expect(scene.hear([first, second], stepsBeside)).toEqual([]);
    expect(scene.hear([second])).toEqual([]);
    expect(scene.hear([second, first], stepsBeside)).toEqual([]);
    expect(scene.hear([first])).toEqual([]);
  }
});

test("who is kept out stays so while it tries and the first is there; the name is free a while after the first has gone", () => {
  const scene = new Scene();
  const [first, second] = [claim("fog-1", "a"), claim("fog-2", "b")];
  const trying = claim("fog-2", "b", true);
  scene.hear([first, second], stepsBeside + 1);
  expect(scene.hear([first], 3)).toEqual(["b at fog-2"]);
  expect(scene.hear([first, trying], 10 * stepsHeld)).toEqual(["b at fog-2"]);
  // The link of its fog may be cut: that does not make the other one the first.
  expect(scene.hear([trying], stepsHeld - 1)).toEqual(["b at fog-2"]);
  expect(scene.hear([first, trying], stepsBeside)).toEqual(["b at fog-2"]);
  expect(scene.hear([trying], stepsHeld)).toEqual([]);
  expect(scene.hear([second], 2 * stepsBeside)).toEqual([]);
  expect(scene.hear([second, first], stepsBeside + 1)).toEqual(["a at fog-1"]);
});

test("who has not tried for long is no longer spoken of", () => {
  const scene = new Scene();
  const first = claim("fog-1", "a");
  scene.hear([first, claim("fog-2", "b")], stepsBeside + 1);
  expect(scene.hear([first], stepsHeld - 1)).toEqual(["b at fog-2"]);
  expect(scene.hear([first], 2)).toEqual([]);
  expect(scene.rulings()).toEqual([]);
});

test("of an older program's nodes nothing is known, and nothing is ruled", () => {
  const unknown = { ...claim("fog-2", "b"), bearer: undefined };
  expect(new Scene().hear([claim("fog-1", "a"), unknown], 3 * stepsBeside)).toEqual([]);
});

test("whatever comes and goes: of those live together for long exactly one goes on, and nobody is kept out alone", () => {
  const places = ["fog-1", "fog-2", "fog-3"];
  const phase = fc.record({ there: fc.subarray(places), steps: fc.integer({ min: 1, max: 60 }) });
  fc.assert(
    fc.property(fc.array(phase, { maxLength: 12 }), (phases) => {
      const scene = new Scene();
      let kept: readonly string[] = [];
      for (const { there, steps } of phases) {
        for (let step = 0; step < steps; step++) {
          // Whoever is kept out goes on trying.
          kept = scene.hear(there.map((via) => claim(via, via, kept.includes(`${via} at ${via}`))));
        }
        const free = there.filter((via) => !kept.includes(`${via} at ${via}`));
        if (there.length > 0 && steps > stepsHeld + stepsBeside) expect(free).toHaveLength(1);
        if (steps <= stepsBeside && kept.length === 0) expect(free).toEqual(there);
        expect(scene.rulings().filter(({ isRefused }) => !isRefused)).toHaveLength(kept.length > 0 ? 1 : 0);
      }
    }),
    { numRuns: 300 },
  );
});
