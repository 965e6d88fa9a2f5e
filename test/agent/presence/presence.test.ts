import fc from "fast-check";
import { expect, test } from "vitest";
import { createPresence } from "#agent/presence/presence.ts";
import { parseNodeName } from "#shared/ids.ts";
import type { ChildPresence, ChildState } from "#shared/link/child-presence.ts";
import { limits } from "#shared/limits.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

test("alarms of the uplink and of children are told with since when, and end when nobody has said so for a while", async () => {
  const clock = new FakeClock(1_000);
  const bus = { publish: async () => undefined };
  const self = { name: parseNodeName("fog-1"), level: "fog", url: "mqtt://c" } as const;
  const presence = createPresence({ bus, clock, log: silentLogger() }, self);
  expect(presence.alarms()).toEqual([]);
  presence.setAlarm("pump-1", "a second one");
  await clock.advance(limits.duplicateNameMs - 1);
  presence.setAlarm("pump-2", "a second one, too");
  presence.setUplinkAlarm("an older copy");
  expect(presence.alarms()).toEqual([
    { about: "uplink", reason: "an older copy" },
    { about: "pump-1", reason: "a second one", sinceMs: 1_000 },
    { about: "pump-2", reason: "a second one, too", sinceMs: 1_000 + limits.duplicateNameMs - 1 },
  ]);
  await clock.advance(1);
  presence.expireAlarms();
  expect(presence.alarms().map(({ about }) => about)).toEqual(["uplink", "pump-2"]);
});

test("children that are online are counted through every change of state", () => {
  const bus = { publish: async () => undefined };
  const self = { name: parseNodeName("cloud-1"), level: "cloud", url: undefined } as const;
  const presence = createPresence({ bus, clock: new FakeClock(1_000), log: silentLogger() }, self);
  const child = fc.record({
    name: fc.constantFrom("a", "b", "c"),
    state: fc.constantFrom("online" as const, "lost" as const, "left" as const),
    isRestored: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(child), (changes) => {
      for (const { name, state, isRestored } of changes) {
        presence[isRestored ? "restoreChild" : "setChild"](madeChild(name, state));
        const online = presence.children().filter((one) => one.state === "online");
        expect(presence.onlineChildren()).toBe(online.length);
      }
    }),
  );
});

function watched(url: string | undefined = "mqtt://c") {
  const said: { readonly topic: string; readonly body: Record<string, unknown> }[] = [];
  const bus = {
    publish: async ({ topic, payload }: { readonly topic: string; readonly payload: Uint8Array }) =>
      void said.push({ topic, body: JSON.parse(new TextDecoder().decode(payload)) as Record<string, unknown> }),
  };
  const clock = new FakeClock(1_000);
  const self = { name: parseNodeName("fog-1"), level: "fog", url } as const;
  return { said, clock, presence: createPresence({ bus, clock, log: silentLogger() }, self) };
}

test("[X15] ten thousand children that come and go cost one message each, and no list of them is made", () => {
  const { presence, said } = watched();
  const count = 10_000;
  for (const state of ["online", "lost"] as const) {
    for (let index = 0; index < count; index++) presence.setChild(madeChild(`d-${index}`, state));
  }
  // What is only heard again is no news.
  for (let index = 0; index < count; index++) presence.setChild(madeChild(`d-${index}`, "lost"));
  expect(said.length).toBe(1 + 2 * count);
  expect(presence.knownChildren()).toBe(count);
});

test("the last twenty changes of a child and of the uplink are told, and all are counted", async () => {
  const { presence, said, clock } = watched();
  for (let turn = 0; turn < 30; turn++) {
    await clock.advance(10);
    presence.setUplink({ state: turn % 2 === 0 ? "up" : "down", reason: turn % 2 === 0 ? undefined : "cut" });
    presence.setChild(madeChild("d", turn % 2 === 0 ? "online" : "lost"));
  }
  const uplink = said.findLast(({ topic }) => topic === "/level/uplink")?.body["history"] as HistoryBody;
  const child = said.findLast(({ topic }) => topic === "/level/presence/d")?.body["history"] as HistoryBody;
  expect(uplink.counts).toEqual({ up: 15, down: 16 });
  expect(child.counts).toEqual({ online: 15, lost: 15 });
  for (const { changes } of [uplink, child]) expect(changes).toHaveLength(limits.presenceChanges);
  expect(uplink.changes.at(-1)).toEqual({ state: "down", since: new Date(1_300).toISOString(), reason: "cut" });
});

interface HistoryBody {
  readonly counts: Readonly<Record<string, number>>;
  readonly changes: readonly object[];
}

test("the path is news to the children when it has changed, not when the parent was only dialled again", () => {
  const { presence } = watched();
  let heard = 0;
  const handler = presence.onPath(() => heard++);
  const hop = { name: parseNodeName("cloud-1"), level: "cloud", uplink: "root", sinceMs: 5 } as const;
  presence.setUplink({ state: "up", reason: undefined, path: [hop] });
  presence.setUplink({ state: "up", reason: undefined, path: [{ ...hop }] });
  expect(heard).toBe(1);
  presence.setUplink({ state: "down", reason: "cut" });
  for (const reason of ["refused", "timed out"]) presence.setUplink({ state: "down", reason });
  expect(heard).toBe(2);
  presence.setUplink({ state: "up", reason: undefined, path: [{ ...hop, sinceMs: 6 }] });
  expect(heard).toBe(3);
  handler[Symbol.dispose]();
  presence.setUplink({ state: "down", reason: "cut" });
  expect(heard).toBe(3);
});

function madeChild(name: string, state: ChildState): ChildPresence {
  const place = { level: "fog", zone: undefined, tags: [] } as const;
  const heard = { heardAtMs: 1, heardMonotonicMs: 1, descendants: [] };
  return { name: parseNodeName(name), uuid: name, session: 1, conn: 1, place, state, sinceMs: 1, ...heard };
}
