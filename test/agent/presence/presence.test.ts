import { expect, test } from "vitest";
import { createPresence } from "#agent/presence/presence.ts";
import { parseNodeName } from "#shared/ids.ts";
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
