import fc from "fast-check";
import { expect, test } from "vitest";
import {
  newMembership,
  stepMembership,
  topicOf,
  type MembershipEffect,
  type MembershipEvent,
  type Routes,
} from "#shared/fellows/membership.ts";
import type { Fellow } from "#shared/fellows/fellow.ts";
import { limits } from "#shared/limits.ts";
import { cluster, fellowOf } from "../../fakes/made-fellows.ts";

const self = fellowOf(1);
const [second, third] = [fellowOf(2), fellowOf(3)];
const ownFilters = ["/bigones/server-1", `/bigones/${self.uuid}`];

class Scene {
  state = newMembership(self, cluster);
  /** What the driver holds: subscriptions by fellow. */
  readonly held = new Map<string, Set<string>>();
  routes: Routes = new Map();

  step(event: MembershipEvent): readonly MembershipEffect[] {
    const [state, effects] = stepMembership(this.state, event);
    this.state = state;
    for (const effect of effects) this.#perform(effect);
    return effects;
  }

  fellows(...fellows: readonly Fellow[]): readonly string[] {
    return this.step({ type: "fellows", fellows }).map(({ type }) => type);
  }

  #perform(effect: MembershipEffect): void {
    if (effect.type === "connect") {
      if (this.held.has(effect.fellow.uuid)) throw new Error("connected twice");
      this.held.set(effect.fellow.uuid, new Set(effect.filters));
    }
    if (effect.type === "disconnect" && !this.held.delete(effect.uuid)) throw new Error("not connected");
    if (effect.type === "subscribe") this.#filters(effect.uuid).add(effect.filter);
    if (effect.type === "unsubscribe") this.#filters(effect.uuid).delete(effect.filter);
    if (effect.type === "routes") this.routes = effect.routes;
  }

  #filters(uuid: string): Set<string> {
    const filters = this.held.get(uuid);
    if (filters === undefined) throw new Error("not connected");
    return filters;
  }
}

function following(): Scene {
  const scene = new Scene();
  scene.step({ type: "gate-opened" });
  return scene;
}

test("[U29] before the gate is open nobody is dialled, after it everyone at once", () => {
  const scene = new Scene();
  expect(scene.fellows(self, second, third)).toEqual([]);
  const effects = scene.step({ type: "gate-opened" });
  expect(effects.slice(0, 2)).toEqual([
    { type: "connect", fellow: second, filters: ownFilters, qos: 2 },
    { type: "connect", fellow: third, filters: ownFilters, qos: 2 },
  ]);
  expect(scene.step({ type: "gate-opened" })).toEqual([]);
});

test("[U30] [U31] subscriptions and routes follow the list as servers come and go", () => {
  const scene = following();
  expect(scene.fellows(self, second)).toEqual(["connect", "routes"]);
  expect(scene.fellows(self, second, third)).toEqual(["connect", "routes"]);
  expect(scene.routes.get(third.uuid)).toEqual({ hostname: "/bigones/server-3", uuid: `/bigones/${third.uuid}` });
  expect(scene.fellows(self, third)).toEqual(["disconnect", "routes"]);
  expect([...scene.held.keys()]).toEqual([third.uuid]);
  expect(scene.routes.has(second.uuid)).toBe(false);
});

test("[U31] a fellow with a new address is dialled anew", () => {
  const scene = following();
  scene.fellows(second);
  expect(scene.fellows({ ...second, address: { host: "10.1.1.1", port: 5432 } })).toEqual([
    "disconnect",
    "connect",
    "routes",
  ]);
});

test("[U-T13] two fellows with one hostname are reached by their UUIDs, with one warning", () => {
  const scene = following();
  const twin = fellowOf(3, "server-2");
  scene.fellows(second);
  const effects = scene.step({ type: "fellows", fellows: [second, twin] });
  expect(effects).toContainEqual({ type: "warn-duplicate", hostname: "server-2", uuids: [second.uuid, twin.uuid] });
  for (const uuid of [second.uuid, twin.uuid]) {
    const route = scene.routes.get(uuid);
    expect(route).toEqual({ hostname: undefined, uuid: `/bigones/${uuid}` });
    expect(route && topicOf(route, "hostname")).toBe(`/bigones/${uuid}`);
  }
  expect(scene.fellows(second, twin)).toEqual(["routes"]);
  expect(scene.fellows(second)).toEqual(["disconnect", "duplicate-gone", "routes"]);
  expect(scene.routes.get(second.uuid)?.hostname).toBe("/bigones/server-2");
});

test("[U-T13] a server that shares its own hostname leaves that topic, and takes it again", () => {
  const scene = following();
  const twin = fellowOf(3, "server-1");
  scene.fellows(second);
  expect(scene.fellows(second, twin)).toEqual(["unsubscribe", "connect", "warn-duplicate", "routes"]);
  expect([...scene.held.values()].map((filters) => [...filters])).toEqual([
    [`/bigones/${self.uuid}`],
    [`/bigones/${self.uuid}`],
  ]);
  scene.fellows(second);
  expect(scene.held.get(second.uuid)).toEqual(new Set(ownFilters));
});

test("[U31] beyond the bound those that are connected stay, and it is said once", () => {
  const scene = following();
  const many = Array.from({ length: limits.fellows }, (_, at) => fellowOf(at + 10));
  scene.fellows(...many);
  expect(scene.fellows(second, third, ...many)).toEqual(["warn-too-many", "routes"]);
  expect(scene.fellows(second, third, ...many)).toEqual(["routes"]);
  expect(scene.fellows(second, ...many.slice(1))).toEqual(["disconnect", "connect", "routes"]);
});

test("[U31] [U-T13] after any history what is held is what the last list says", () => {
  const server = fc.record({ number: fc.integer({ min: 1, max: 6 }), host: fc.integer({ min: 1, max: 4 }) });
  const list = fc.uniqueArray(server, { selector: ({ number }) => number, maxLength: 6 });
  fc.assert(
    fc.property(fc.array(list, { minLength: 1, maxLength: 8 }), (lists) => {
      const scene = following();
      for (const one of lists)
        scene.fellows(
          ...one.filter(({ number }) => number > 1).map(({ number, host }) => fellowOf(number, `server-${host}`)),
        );
      const others = (lists.at(-1) ?? []).filter(({ number }) => number > 1);
      const count = (host: number): number => others.filter((one) => one.host === host).length + (host === 1 ? 1 : 0);
      const filters = count(1) > 1 ? ownFilters.slice(1) : ownFilters;
      const expected = others.map(({ number }) => [fellowOf(number).uuid, new Set(filters)] as const);
      expect(scene.held).toEqual(new Map(expected));
      for (const { number, host } of others) {
        const hostname = count(host) > 1 ? undefined : `/bigones/server-${host}`;
        expect(scene.routes.get(fellowOf(number).uuid)?.hostname).toBe(hostname);
      }
      expect(scene.routes.size).toBe(others.length);
    }),
  );
});
