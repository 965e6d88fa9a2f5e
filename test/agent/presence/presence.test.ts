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

function madeChild(name: string, state: ChildState): ChildPresence {
  const place = { level: "fog", zone: undefined, tags: [] } as const;
  const heard = { heardAtMs: 1, heardMonotonicMs: 1, descendants: [] };
  return { name: parseNodeName(name), uuid: name, session: 1, conn: 1, place, state, sinceMs: 1, ...heard };
}
