import fc from "fast-check";
import { expect, test } from "vitest";
import { Router, routesKeptMax } from "#agent/broker/router.ts";
import { Session } from "#agent/broker/session.ts";
import { Subscription } from "#agent/broker/subscription.ts";
import { matchesFilter } from "#shared/mqtt/topic.ts";
import type { Qos } from "#shared/system/bus.ts";

type Options = Partial<Pick<Subscription, "qos" | "noLocal" | "retainAsPublished" | "subscriptionId">>;

function subscribe(router: Router, session: Session, filter: string, options: Options = {}): Subscription {
  const preset = {
    qos: 0 as Qos,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0 as const,
    subscriptionId: 0,
  };
  const subscription = new Subscription(session, { filter, ...preset, ...options }, router.groupOf(filter));
  router.add(subscription);
  return subscription;
}

const ascending = (a: number, b: number): number => a - b;
const session = (clientId: string): Session => new Session(clientId, 0, 0, "");

test("a topic goes to every session once, by all of its subscriptions that match", () => {
  const filters = ["a", "a/b", "+", "#", "a/#", "+/b", "$share/g/a", "$share/g/#", "$share/h/a"];
  const anyStep = fc.record({
    adds: fc.boolean(),
    session: fc.nat(2),
    filter: fc.constantFrom(...filters),
    qos: fc.constantFrom<Qos>(0, 1, 2),
    id: fc.nat(3),
  });
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 30 }), (steps) => {
      const router = new Router();
      const sessions = ["x", "y", "z"].map(session);
      const model = new Map<string, Subscription>();
      for (const { adds, session: at, filter, qos, id } of steps) {
        const owner = sessions[at];
        if (owner === undefined) continue;
        const key = `${at} ${filter}`;
        const known = model.get(key);
        if (known !== undefined) router.remove(known);
        model.delete(key);
        if (adds) model.set(key, subscribe(router, owner, filter, { qos, subscriptionId: id }));
        for (const name of ["a", "b", "a/b"]) {
          const { routes, groups } = router.routesOf(router.topicOf(name));
          const plain = [...model.values()].filter((one) => one.group === undefined && matchesFilter(one.filter, name));
          expect(new Set(routes.map((route) => route.session))).toEqual(new Set(plain.map((one) => one.session)));
          expect(new Set(routes).size).toBe(routes.length);
          for (const route of routes) {
            const own = plain.filter((one) => one.session === route.session);
            expect(new Set(route.subscriptions)).toEqual(new Set(own));
            expect(route.qos).toBe(Math.max(...own.map((one) => one.qos)));
            const ids = own.flatMap(({ subscriptionId }) => (subscriptionId > 0 ? [subscriptionId] : []));
            expect(route.subscriptionIds.toSorted(ascending)).toEqual(ids.toSorted(ascending));
          }
          const shared = [...model.values()].filter(
            (one) => one.group !== undefined && matchesFilter(one.group.filter, name),
          );
          expect(groups.map(({ key: one }) => one).toSorted()).toEqual(
            [...new Set(shared.map((one) => one.filter))].toSorted(),
          );
          expect(groups.flatMap(({ members }) => members).length).toBe(shared.length);
          expect(router.hasSubscriber(name)).toBe(plain.length + shared.length > 0);
        }
      }
    }),
    { numRuns: 100 },
  );
});

test("what was worked out stays until a subscription changes", () => {
  const router = new Router();
  const subscription = subscribe(router, session("x"), "a");
  const first = router.routesOf(router.topicOf("a"));
  expect(router.routesOf(router.topicOf("a"))).toBe(first);
  router.remove(subscription);
  expect(router.routesOf(router.topicOf("a")).routes).toEqual([]);
});

test("many subscribers of everything and many topics do not multiply in memory [B2]", () => {
  const router = new Router();
  for (let at = 0; at < 500; at++) subscribe(router, session(`s${at}`), "#");
  const topics = Array.from({ length: 3_000 }, (_, at) => router.topicOf(`t/${at}`));
  for (const topic of topics) expect(router.routesOf(topic).routes).toHaveLength(500);
  const kept = topics.reduce((sum, { routes }) => sum + (routes?.routes.length ?? 0), 0);
  expect(kept).toBeLessThanOrEqual(routesKeptMax);
  expect(kept).toBeGreaterThan(0);
});

test("a route that keeps changing is kept once [B2]", () => {
  const router = new Router();
  const topic = router.topicOf("a");
  const other = router.topicOf("b");
  for (let at = 0; at < 10_000; at++) {
    const subscription = subscribe(router, session(`s${at % 100}`), "#");
    router.routesOf(topic);
    if (at === 0) router.routesOf(other);
    if (at % 100 > 0) router.remove(subscription);
  }
  expect(other.routes).toBeDefined(); // nothing had to go
});
