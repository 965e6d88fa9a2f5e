import fc from "fast-check";
import { expect, test } from "vitest";
import {
  nextResponseTickMs,
  stepResponses,
  type Asker,
  type ResponseEffect,
  type ResponseEvent,
  type ResponseRoutes,
} from "#shared/fellows/response-routes.ts";
import { limits } from "#shared/limits.ts";

class Scene {
  routes: ResponseRoutes<Asker> = new Map();

  step(event: ResponseEvent<Asker, string>, nowMs = 0): readonly ResponseEffect<Asker, string>[] {
    const [routes, effects] = stepResponses(this.routes, event, nowMs);
    this.routes = routes;
    return effects;
  }
}

const adapters = ["mqtt", "rest", "command-line", "service"] as const;

test("[U33] a response leaves by the adapter that the request came through", () => {
  const scene = new Scene();
  for (const adapter of adapters) scene.step({ type: "asked", key: adapter, origin: { adapter, connection: "c" } });
  for (const adapter of adapters.toReversed()) {
    expect(scene.step({ type: "answered", key: adapter, answer: `to ${adapter}` })).toEqual([
      { type: "respond", origin: { adapter, connection: "c" }, answer: `to ${adapter}` },
    ]);
  }
});

test("[U33] [U-T10] a request is answered once", () => {
  const scene = new Scene();
  scene.step({ type: "asked", key: "k", origin: { adapter: "mqtt", connection: "c" } });
  scene.step({ type: "answered", key: "k", answer: "first" });
  expect(scene.step({ type: "answered", key: "k", answer: "second" })).toEqual([
    { type: "drop", key: "k", reason: "unasked" },
  ]);
});

test("[U33] who asked and has gone is not answered, on that adapter alone", () => {
  const scene = new Scene();
  scene.step({ type: "asked", key: "k", origin: { adapter: "mqtt", connection: "c" } });
  scene.step({ type: "asked", key: "l", origin: { adapter: "rest", connection: "c" } });
  expect(scene.step({ type: "gone", adapter: "mqtt", connection: "c" })).toEqual([
    { type: "drop", key: "k", reason: "gone" },
  ]);
  expect(scene.step({ type: "answered", key: "l", answer: "yes" })).toHaveLength(1);
});

test("[U33] when its time is up the asker is told, and a late answer is dropped", () => {
  const scene = new Scene();
  const origin = { adapter: "service", connection: "c" } as const;
  scene.step({ type: "asked", key: "k", origin, ttlMs: 10 }, 5);
  expect(nextResponseTickMs(scene.routes)).toBe(15);
  expect(scene.step({ type: "tick" }, 14)).toEqual([]);
  expect(scene.step({ type: "tick" }, 15)).toEqual([{ type: "refuse", origin, reason: "timeout" }]);
  expect(scene.step({ type: "answered", key: "k", answer: "late" }, 16)).toMatchObject([{ type: "drop" }]);
});

test("[U33] what is too much, or under a key that is in use, is refused", () => {
  const scene = new Scene();
  const origin = { adapter: "rest", connection: "c" } as const;
  scene.routes = new Map(Array.from({ length: limits.openRequests }, (_, at) => [`k${at}`, { origin, deadlineMs: 1 }]));
  expect(scene.step({ type: "asked", key: "new", origin })).toEqual([{ type: "refuse", origin, reason: "full" }]);
  expect(scene.step({ type: "asked", key: "k1", origin })).toEqual([{ type: "refuse", origin, reason: "key-in-use" }]);
});

test("[U33] every request has one end: an answer, a refusal, or nobody to tell", () => {
  const key = fc.constantFrom("a", "b", "c");
  const origin = fc.record({ adapter: fc.constantFrom(...adapters), connection: fc.constantFrom("1", "2") });
  const event: fc.Arbitrary<ResponseEvent<Asker, string>> = fc.oneof(
    fc.record({ type: fc.constant("asked" as const), key, origin, ttlMs: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ type: fc.constant("answered" as const), key, answer: fc.constant("x") }),
    origin.map((one) => ({ type: "gone" as const, ...one })),
    fc.constant({ type: "tick" as const }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      const scene = new Scene();
      let asked = 0;
      let ended = 0;
      for (const [nowMs, one] of [...events, { type: "tick" as const }].entries()) {
        const isLast = nowMs === events.length;
        const effects = scene.step(one, isLast ? nowMs + 10 : nowMs);
        if (one.type === "asked") asked++;
        ended += effects.filter((each) => each.type !== "drop" || each.reason === "gone").length;
      }
      expect(ended).toBe(asked);
      expect(scene.routes.size).toBe(0);
    }),
  );
});
