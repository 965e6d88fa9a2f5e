import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNodeName } from "#shared/ids.ts";
import type { ChildPresence } from "#shared/link/child-presence.ts";
import type { Bearer, Descendant } from "#shared/link/descendant.ts";
import { NameClaims } from "#shared/link/name-claims.ts";

const place = { level: "fog" as const, zone: undefined, tags: [] };

function bearer(parents: readonly string[] = [], uuid = "u"): Bearer {
  return { uuid, epochs: [7], parents: parents.map(parseNodeName) };
}

function node(name: string, parent: string, told?: Bearer, online = true): Descendant {
  const who = told === undefined ? {} : { bearer: told };
  return { ...place, name: parseNodeName(name), parent: parseNodeName(parent), online, sinceMs: 1, ...who };
}

function child(
  name: string,
  descendants: readonly Descendant[] = [],
  more: Partial<ChildPresence> = {},
): ChildPresence {
  const heard = { heardAtMs: 1, heardMonotonicMs: 1, sinceMs: 1, session: 1, conn: 1 };
  const who = { name: parseNodeName(name), uuid: name, bearer: bearer() };
  return { ...heard, ...who, place, state: "online", descendants, ...more };
}

function claims(...children: readonly ChildPresence[]): NameClaims {
  const found = new NameClaims(parseNodeName("cloud-1"));
  for (const one of children) found.put(one);
  return found;
}

function vouched(of: NameClaims, by: string, origin: string, epoch = 7): readonly string[] | undefined {
  const names = of.vouched(by, origin, epoch);
  return names === undefined ? undefined : [...names].toSorted();
}

test("what is live nowhere else may come by any child, and so may what the node says nothing of", () => {
  const told = claims(child("fog-1", [node("device-1", "fog-1", bearer())]), child("fog-2"));
  expect(vouched(told, "fog-1", "device-1")).toBeUndefined();
  expect(vouched(told, "fog-2", "device-9")).toBeUndefined();
  expect(vouched(told, "fog-2", "device-1", 8)).toBeUndefined();
  expect(vouched(claims(child("fog-1", [node("device-1", "fog-1")])), "fog-2", "device-1")).toBeUndefined();
});

test("a node that is live elsewhere vouches for its former parents, and these for theirs", () => {
  const moved = [node("hub-1", "fog-1", bearer(["fog-2"])), node("device-1", "hub-1", bearer(["hub-2"]))];
  const told = claims(child("fog-1", moved), child("fog-2"));
  expect(vouched(told, "fog-2", "device-1")).toEqual(["fog-2", "hub-2"]);
});

test("nobody vouches for a child that names a live node, or the live former parent of one, as below itself", () => {
  const other = child("fog-1", [node("hub-1", "fog-1", bearer()), node("device-1", "fog-1", bearer(["hub-1"]))]);
  const impostor = child("fog-2", [node("hub-1", "fog-2", bearer()), node("device-1", "fog-2", bearer(["fog-2"]))]);
  expect(vouched(claims(other, impostor), "fog-2", "device-1")).toEqual([]);
});

test("what a node has handed to its own parent of former times may come from there when that one is below it", () => {
  const told = claims(child("fog-1", [node("device-1", "fog-1", bearer())]), child("fog-2"));
  expect(vouched(told, "fog-2", "device-1")).toEqual([]);
  const handed = claims(child("fog-1", [node("device-1", "fog-1", bearer())]), child("fog-2"));
  handed.setParents([parseNodeName("fog-2")]);
  // By way of the fog that was below this node all the time.
  handed.put(child("fog-1", [node("device-1", "fog-1", bearer())], { bearer: bearer(["cloud-1"]) }));
  expect(vouched(handed, "fog-2", "device-1")).toEqual(["fog-2"]);
});

test("what hangs below a node that is gone is not live", () => {
  const below = [node("hub-1", "fog-1", bearer(), false), node("device-1", "hub-1", bearer())];
  expect(vouched(claims(child("fog-1", below)), "fog-2", "device-1")).toBeUndefined();
  const told = claims(child("fog-1", [node("device-1", "fog-1", bearer())]));
  expect(vouched(told, "fog-2", "device-1")).toEqual([]);
  told.put(child("fog-1", [node("device-1", "fog-1", bearer())], { state: "lost" }));
  expect(vouched(told, "fog-2", "device-1")).toBeUndefined();
});

test("whatever the children tell in whatever order, only what each told last counts", () => {
  const fogs = ["fog-1", "fog-2", "fog-3"];
  const telling = fc.record({
    name: fc.constantFrom(...fogs),
    below: fc.uniqueArray(fc.constantFrom<string>("a", "b", "c")),
    isOnline: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(telling, { maxLength: 12 }), (tellings) => {
      const told = new NameClaims(parseNodeName("cloud-1"));
      for (const { name, below, isOnline } of tellings) {
        const nodes = below.map((one) => node(one, name, bearer()));
        told.put(child(name, nodes, { state: isOnline ? "online" : "lost" }));
      }
      for (const name of ["a", "b", "c"]) {
        const last = fogs.flatMap((fog) => tellings.findLast((one) => one.name === fog) ?? []);
        const expected = last.filter(({ isOnline, below }) => isOnline && below.includes(name)).map((one) => one.name);
        expect(
          told
            .of(name)
            .map(({ via }) => via)
            .toSorted(),
        ).toEqual(expected);
      }
    }),
  );
});
