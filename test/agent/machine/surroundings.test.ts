import { expect, test } from "vitest";
import { Surroundings, type ChildView } from "#agent/machine/surroundings.ts";
import { parseNodeName } from "#shared/ids.ts";
import { above } from "#shared/machine/neighbour.ts";

const self = parseNodeName("fog-1");
const child = parseNodeName("device-1");

type Uplink = { state: "none" | "up" | "down"; sinceMs: number };

/** Presence as a test sets it. */
function scene() {
  const children = new Map<string, ChildView>();
  const state = { below: 0, uplink: { state: "none", sinceMs: 0 } as Uplink, parent: undefined as string | undefined };
  const put = (given: Partial<ChildView> = {}): void => {
    const known = children.get(child);
    const view = { name: child, state: "online", sinceMs: 5, session: 1, descendants: [] } as const;
    children.set(child, { ...(known ?? view), ...given });
    state.below++;
  };
  const surroundings = new Surroundings(
    {
      tree: {
        children: () => [...children.values()],
        child: (name) => children.get(name),
        version: () => ({ below: state.below }),
        uplink: () => state.uplink,
      },
      parent: { parent: () => state.parent },
      clock: { monotonic: () => 77 },
      treeNow: () => 1_000,
      mayHoldBelow: (condition, name) => condition === `for ${name}`,
      offers: (name) => name === "blink",
      isOfferAwaited: (name) => name === "wink",
    },
    self,
  );
  return { surroundings, state, put };
}

const named = (...names: readonly (readonly [name: string, online: boolean])[]): ChildView["descendants"] =>
  names.map(([name, online]) => ({ name, online }));

test("a root without children has no neighbours, and nothing changes", () => {
  const { surroundings } = scene();
  expect(surroundings.above()).toBeUndefined();
  expect([...surroundings.world().neighbours()]).toEqual([]);
  expect(surroundings.world().neighbour(above)).toBeUndefined();
  expect(surroundings.changes()).toEqual([]);
});

test("the world is what the node knows now: both clocks, its neighbours, where a condition may hold, what is offered", () => {
  const { surroundings, state, put } = scene();
  const world = surroundings.world();
  put({ session: 4 });
  state.uplink = { state: "up", sinceMs: 9 };
  state.parent = "cloud-1";
  const views = [
    { key: above, name: "cloud-1", state: "online", sinceMs: 9, session: 0, below: 0 },
    { key: child, name: child, state: "online", sinceMs: 5, session: 4, below: 0 },
  ];
  expect([...world.neighbours()]).toEqual(views);
  expect([world.neighbour(above), world.neighbour(child)]).toEqual(views);
  expect(world.neighbour(parseNodeName("stranger"))).toBeUndefined();
  expect([world.nowMs, world.monotonicMs]).toEqual([1_000, 77]);
  expect([world.mayHoldBelow("for device-1", child), world.mayHoldBelow("for nobody", child)]).toEqual([true, false]);
  expect([world.offers("blink"), world.offers("dance")]).toEqual([true, false]);
});

test("the parent that is away is still known by its name, and each session with a parent has another number", () => {
  const { surroundings, state } = scene();
  state.uplink = { state: "down", sinceMs: 3 };
  expect(surroundings.above()).toMatchObject({ name: self, state: "lost", session: 0 });
  state.parent = "cloud-1";
  surroundings.up();
  expect(surroundings.above()).toMatchObject({ name: "cloud-1", state: "online", session: 1 });
  state.parent = undefined;
  expect(surroundings.above()).toMatchObject({ name: "cloud-1", state: "lost", session: 1 });
  state.parent = "cloud-2";
  surroundings.up();
  expect(surroundings.above()).toMatchObject({ name: "cloud-2", state: "online", session: 2 });
  state.parent = "not a name";
  expect(surroundings.above()).toMatchObject({ name: "cloud-2" });
});

test("each change of a neighbour is told once: state and session of the parent, of a child also what it reports", () => {
  const { surroundings, state, put } = scene();
  const changed = (): readonly string[] =>
    surroundings.changes().map(({ name, state: now, session }) => `${name} ${now} ${session}`);
  put();
  expect([changed(), changed()]).toEqual([["device-1 online 1"], []]);
  put(); // something changed at another child
  expect(changed()).toEqual([]);
  put({ state: "lost" });
  expect(changed()).toEqual(["device-1 lost 1"]);
  put({ state: "online", session: 2 });
  expect(changed()).toEqual(["device-1 online 2"]);
  put({ descendants: named(["sensor-1", true]) });
  expect(changed()).toEqual(["device-1 online 2"]);
  state.uplink = { state: "up", sinceMs: 9 };
  state.parent = "cloud-1";
  surroundings.up();
  expect([changed(), changed()]).toEqual([["cloud-1 online 1"], []]);
  surroundings.up();
  expect(changed()).toEqual(["cloud-1 online 2"]);
  state.parent = undefined;
  expect([changed(), changed()]).toEqual([["cloud-1 lost 2"], []]);
});

test("whoever comes below a child makes another number of it; whoever goes, or was there at the first look, does not", () => {
  const { surroundings, put } = scene();
  const below = (): number | undefined => {
    surroundings.changes();
    return surroundings.world().neighbour(child)?.below;
  };
  put({ descendants: named(["sensor-1", true], ["sensor-2", false]) });
  expect(below()).toBe(0);
  put({ descendants: named(["sensor-1", true], ["sensor-2", false]) });
  expect(below()).toBe(0);
  put({ descendants: named(["sensor-1", true], ["sensor-2", true]) });
  expect(below()).toBe(1);
  put({ descendants: named(["sensor-2", true]) });
  expect(below()).toBe(1);
  put({ descendants: named(["sensor-2", true], ["sensor-3", true]) });
  expect(below()).toBe(2);
});
